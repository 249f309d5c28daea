use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nova_errors::{Effect, Origin, ServiceError};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// An attempt that ends in time.
    #[must_use = "futures do nothing unless polled"]
    pub struct AttemptTimeoutFuture<F> {
        #[pin]
        attempt: F,
        until: Instant,
        // Made when it is needed, as an attempt that is done at once has no use for a timer; and boxed, as the future is moved before.
        timeout: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> AttemptTimeoutFuture<F> {
    pub(crate) fn new(attempt: F, until: Instant) -> Self {
        Self {
            attempt,
            until,
            timeout: None,
        }
    }
}

impl<F, T> Future for AttemptTimeoutFuture<F>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    type Output = Result<T, ServiceError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The answer first: one that is there when the time is up still counts.
        let polled = this.attempt.poll(cx);
        if polled.is_ready() {
            return polled;
        }
        let until = *this.until;
        let timeout = this
            .timeout
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(timeout.as_mut().poll(cx));
        Poll::Ready(Err(ServiceError::Timeout("wait for the answer".into())
            .with_origin(Origin::Transport)
            .with_effect(Effect::Unknown)))
    }
}

impl<F> fmt::Debug for AttemptTimeoutFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptTimeoutFuture")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
