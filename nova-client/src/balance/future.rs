use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nova_errors::ServiceError;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::in_flight::InFlight;
use crate::circuit_breaker::outcome;

pin_project! {
    /// An attempt at an endpoint, or one that no circuit let through.
    #[must_use = "futures do nothing unless polled"]
    pub struct BalanceFuture<F, E> {
        #[pin]
        state: State<F, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, E> {
        Passed { #[pin] call: F, in_flight: Option<InFlight<E>> },
        Rejected { error: Option<ServiceError> },
    }
}

impl<F, E> BalanceFuture<F, E> {
    pub(super) fn passed(call: F, in_flight: InFlight<E>) -> Self {
        let in_flight = Some(in_flight);
        Self {
            state: State::Passed { call, in_flight },
        }
    }

    pub(super) fn rejected(error: ServiceError) -> Self {
        let error = Some(error);
        Self {
            state: State::Rejected { error },
        }
    }
}

impl<F, E, T> Future for BalanceFuture<F, E>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    type Output = Result<T, ServiceError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passed { call, in_flight } => {
                let result = ready!(call.poll(cx));
                if let Some(in_flight) = in_flight.take() {
                    in_flight.settle(outcome(&result), Instant::now());
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

impl<F, E> fmt::Debug for BalanceFuture<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceFuture").finish_non_exhaustive()
    }
}
