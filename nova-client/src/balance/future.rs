use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
        Passed {
            #[pin]
            call: F,
            in_flight: Option<InFlight<E>>,
            // When it began, as long as it has not had to wait.
            began: Option<Instant>,
        },
        Rejected { error: Option<ServiceError> },
    }
}

impl<F, E> BalanceFuture<F, E> {
    pub(super) fn passed(call: F, in_flight: InFlight<E>, began: Instant) -> Self {
        Self {
            state: State::Passed {
                call,
                in_flight: Some(in_flight),
                began: Some(began),
            },
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
            StateProjection::Passed {
                call,
                in_flight,
                began,
            } => {
                let polled = call.poll(cx);
                let began = began.take();
                if let Poll::Ready(result) = &polled
                    && let Some(in_flight) = in_flight.take()
                {
                    // An answer that was there at once took no time that is worth another look at the clock.
                    in_flight.settle(outcome(result), began.unwrap_or_else(Instant::now));
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

impl<F, E> fmt::Debug for BalanceFuture<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceFuture").finish_non_exhaustive()
    }
}
