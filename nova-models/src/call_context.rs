use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::{AccessToken, Deadline, RequestId, Subject, TraceContext};

thread_local! {
    static CURRENT: RefCell<Option<CallContext>> = const { RefCell::new(None) };
}

/// What a call hands on to the calls that it makes: deadline, request id, authenticated subject,
/// token and trace.
///
/// The server side sets it for the duration of the handler's future ([`scope`](Self::scope)); the client side reads it
/// ([`current`](Self::current)). It needs no runtime, and a future that is not `Send` is as good as one that is: what a
/// worker of actix-web runs, for one.
///
/// **A spawned task does not inherit it.** Wrap the future that you spawn:
///
/// ```
/// use nova_models::CallContext;
///
/// # async fn work() {}
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let context = CallContext::current().unwrap_or_default();
/// tokio::spawn(context.scope(work()));
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallContext {
    /// When the caller stops waiting.
    pub deadline: Option<Deadline>,
    /// The request that is being served; calls made for it carry it as their correlation.
    pub request_id: Option<RequestId>,
    /// Who the caller is, proven.
    pub subject: Option<Subject>,
    /// The caller's token, to be handed on.
    pub token: Option<AccessToken>,
    /// The trace.
    pub trace: Option<TraceContext>,
}

impl CallContext {
    /// An empty context.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The context of the future that is being polled; `None` outside of one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Runs `future` in this context.
    pub fn scope<F: Future>(self, future: F) -> WithContext<F> {
        WithContext {
            context: Some(self),
            future,
        }
    }

    /// Runs `body` in this context, for code that is not asynchronous.
    pub fn sync_scope<R>(self, body: impl FnOnce() -> R) -> R {
        let _restore = Restore(CURRENT.replace(Some(self)));
        body()
    }
}

/// Puts the outer context back, on a panic too.
struct Restore(Option<CallContext>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

pin_project! {
    /// A future in a [`CallContext`]: see [`CallContext::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct WithContext<F> {
        context: Option<CallContext>,
        #[pin]
        future: F,
    }
}

impl<F> fmt::Debug for WithContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithContext")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// Moves the context into its slot while the future is polled, so that a poll costs no clone.
struct Entered<'a> {
    slot: &'a mut Option<CallContext>,
    outer: Option<CallContext>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.slot = CURRENT.replace(self.outer.take());
    }
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outer = CURRENT.replace(this.context.take());
        let _entered = Entered {
            slot: this.context,
            outer,
        };
        this.future.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> CallContext {
        CallContext {
            request_id: Some(name.parse().unwrap()),
            ..CallContext::new()
        }
    }

    fn current_name() -> Option<String> {
        CallContext::current()?.request_id.map(String::from)
    }

    #[tokio::test]
    async fn a_context_holds_across_awaits_and_ends_with_its_future() {
        named("outer")
            .scope(async {
                tokio::task::yield_now().await;
                assert_eq!(current_name().as_deref(), Some("outer"));
                let inner = named("inner").scope(async {
                    tokio::task::yield_now().await;
                    current_name()
                });
                assert_eq!(inner.await.as_deref(), Some("inner"));
                assert_eq!(current_name().as_deref(), Some("outer"));
            })
            .await;
        assert_eq!(current_name(), None);
    }

    #[tokio::test]
    async fn futures_on_one_thread_keep_their_own() {
        let one = named("one").scope(async {
            for _ in 0..10 {
                assert_eq!(current_name().as_deref(), Some("one"));
                tokio::task::yield_now().await;
            }
        });
        let two = named("two").scope(async {
            for _ in 0..10 {
                assert_eq!(current_name().as_deref(), Some("two"));
                tokio::task::yield_now().await;
            }
        });
        tokio::join!(one, two);
    }

    #[tokio::test]
    async fn a_spawned_task_starts_without_one() {
        let name = named("outer")
            .scope(async { tokio::spawn(async { current_name() }).await })
            .await;
        assert_eq!(name.unwrap(), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_future_that_stays_on_its_thread_has_its_own_too() {
        let local = tokio::task::LocalSet::new();
        let handler = |name: &'static str| {
            let shared = std::rc::Rc::new(name);
            named(name).scope(async move {
                tokio::task::yield_now().await;
                assert_eq!(current_name().as_deref(), Some(*shared));
            })
        };
        let one = local.spawn_local(handler("one"));
        let two = local.spawn_local(handler("two"));
        local.await;
        one.await.unwrap();
        two.await.unwrap();
        assert_eq!(current_name(), None);
    }

    #[tokio::test]
    async fn a_spawned_task_has_the_one_that_it_is_wrapped_in() {
        let name = named("outer")
            .scope(async {
                let context = CallContext::current().unwrap_or_default();
                tokio::spawn(context.scope(async { current_name() })).await
            })
            .await;
        assert_eq!(name.unwrap().as_deref(), Some("outer"));
    }

    #[test]
    fn a_panic_puts_the_outer_context_back() {
        let outcome = std::panic::catch_unwind(|| {
            named("doomed").sync_scope(|| std::panic::resume_unwind(Box::new(())))
        });
        assert!(outcome.is_err());
        assert_eq!(current_name(), None);
    }

    #[test]
    fn a_token_does_not_show() {
        let context = CallContext {
            token: Some(AccessToken::new("hunter2")),
            ..CallContext::new()
        };
        assert!(!format!("{context:?}").contains("hunter2"));
    }
}
