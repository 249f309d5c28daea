use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nova_errors::{ErrorKind, ServiceError};
use pin_project_lite::pin_project;

use super::switch::Outcome;
use super::{Circuit, Permit};
use crate::InterceptorRefusal;

pin_project! {
    /// A call that the circuit let through, or turned away.
    #[must_use = "futures do nothing unless polled"]
    pub struct CircuitBreakerFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Passed { #[pin] call: F, permit: Option<Permit<Arc<Circuit>>> },
        Rejected { error: Option<ServiceError> },
    }
}

impl<F> CircuitBreakerFuture<F> {
    pub(super) fn passed(call: F, permit: Option<Permit<Arc<Circuit>>>) -> Self {
        Self {
            state: State::Passed { call, permit },
        }
    }

    pub(super) fn rejected(error: ServiceError) -> Self {
        let error = Some(error);
        Self {
            state: State::Rejected { error },
        }
    }
}

impl<F, T> Future for CircuitBreakerFuture<F>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    type Output = Result<T, ServiceError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passed { call, permit } => {
                let result = ready!(call.poll(cx));
                if let Some(permit) = permit.take() {
                    permit.settle(&result);
                }
                Poll::Ready(result)
            }
            StateProjection::Rejected { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after it was done.
                None => Poll::Pending,
            },
        }
    }
}

/// What a result says of the target's health.
pub(crate) fn outcome<T>(result: &Result<T, ServiceError>) -> Outcome {
    let Err(error) = result else {
        return Outcome::Success;
    };
    match error.kind() {
        // Nothing was sent, so that it is no news of the target.
        _ if error.find_source::<InterceptorRefusal>().is_some() => Outcome::Unknown,
        ErrorKind::Timeout | ErrorKind::ServiceUnavailable | ErrorKind::Internal => {
            Outcome::Failure
        }
        ErrorKind::Cancelled => Outcome::Unknown,
        _ => Outcome::Success,
    }
}

impl<F> fmt::Debug for CircuitBreakerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerFuture")
            .finish_non_exhaustive()
    }
}
