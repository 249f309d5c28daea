use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nova_errors::ServiceError;
use serde::de::DeserializeOwned;

use super::{Outgoing, answer};
use crate::telemetry::TelemetryFuture;
use crate::transport::TransportFuture;
use crate::wall_clock::WallClock;

/// An attempt on the wire, or one that was refused before.
pub(crate) struct ExchangeFuture<'a, T> {
    state: State<'a>,
    reply: PhantomData<fn() -> T>,
}

enum State<'a> {
    Sent {
        answer: TelemetryFuture<TransportFuture>,
        outgoing: &'a Outgoing<'a>,
        clock: &'a WallClock,
    },
    Refused(Option<ServiceError>),
}

impl<'a, T> ExchangeFuture<'a, T> {
    pub(super) fn sent(
        answer: TelemetryFuture<TransportFuture>,
        outgoing: &'a Outgoing<'a>,
        clock: &'a WallClock,
    ) -> Self {
        Self {
            state: State::Sent {
                answer,
                outgoing,
                clock,
            },
            reply: PhantomData,
        }
    }

    pub(super) fn refused(error: ServiceError) -> Self {
        Self {
            state: State::Refused(Some(error)),
            reply: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Future for ExchangeFuture<'_, T> {
    type Output = Result<T, ServiceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Sent {
                answer,
                outgoing,
                clock,
            } => {
                let response = ready!(Pin::new(answer).poll(cx))?;
                Poll::Ready(answer::read(&response, outgoing.request_id(), clock))
            }
            State::Refused(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after it was done.
                None => Poll::Pending,
            },
        }
    }
}
