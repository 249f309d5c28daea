use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use nova_errors::ServiceError;
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;

pin_project! {
    /// A request with its permit, which is given back when it is answered or dropped.
    #[must_use = "futures do nothing unless polled"]
    pub struct BulkheadFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Admitted { #[pin] call: F, permit: Option<OwnedSemaphorePermit> },
        Rejected { error: Option<ServiceError> },
    }
}

impl<F> BulkheadFuture<F> {
    pub(super) fn admitted(call: F, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            state: State::Admitted { call, permit },
        }
    }

    pub(super) fn rejected(error: ServiceError) -> Self {
        let error = Some(error);
        Self {
            state: State::Rejected { error },
        }
    }
}

impl<F, T> Future for BulkheadFuture<F>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    type Output = Result<T, ServiceError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Admitted { call, permit } => {
                let polled = call.poll(cx);
                if polled.is_ready() {
                    // At once: whoever awaited this may keep it for long.
                    *permit = None;
                }
                polled
            }
            StateProjection::Rejected { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after it was done.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for BulkheadFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadFuture").finish_non_exhaustive()
    }
}
