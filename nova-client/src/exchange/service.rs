use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use nova_errors::ServiceError;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::Outgoing;
use super::future::ExchangeFuture;
use crate::Attempt;
use crate::transport::Transport;
use crate::wall_clock::WallClock;

/// Sends one attempt and reads the answer as a `T`.
///
/// It is typed because the policies above judge what the answer means, a reply that does not fit included, and a second
/// pass over the body would cost as much as the first.
pub(crate) struct Exchange<T> {
    transport: Transport,
    clock: WallClock,
    reply: PhantomData<fn() -> T>,
}

impl<T> Exchange<T> {
    pub(crate) fn new(transport: Transport, clock: WallClock) -> Self {
        Self {
            transport,
            clock,
            reply: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Service<Attempt<Arc<Outgoing>>> for Exchange<T> {
    type Response = T;
    type Error = ServiceError;
    type Future = ExchangeFuture<T>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt<Arc<Outgoing>>) -> ExchangeFuture<T> {
        let request = attempt.request().request(&attempt);
        ExchangeFuture::new(
            self.transport.send(request),
            attempt.into_request(),
            self.clock.clone(),
        )
    }
}
