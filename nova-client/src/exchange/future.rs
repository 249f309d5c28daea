use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nova_errors::ServiceError;
use serde::de::DeserializeOwned;

use super::{Outgoing, answer};
use crate::transport::TransportFuture;
use crate::wall_clock::WallClock;

/// An attempt on the wire.
pub(crate) struct ExchangeFuture<T> {
    answer: TransportFuture,
    outgoing: Arc<Outgoing>,
    clock: WallClock,
    reply: PhantomData<fn() -> T>,
}

impl<T> ExchangeFuture<T> {
    pub(crate) fn new(answer: TransportFuture, outgoing: Arc<Outgoing>, clock: WallClock) -> Self {
        Self {
            answer,
            outgoing,
            clock,
            reply: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Future for ExchangeFuture<T> {
    type Output = Result<T, ServiceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.answer.as_mut().poll(cx))?;
        Poll::Ready(answer::read(
            &response,
            self.outgoing.request_id(),
            self.clock.now(),
        ))
    }
}
