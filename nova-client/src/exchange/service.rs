use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use nova_errors::ServiceError;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::Outgoing;
use super::future::ExchangeFuture;
use crate::Attempt;
use crate::peer::Peer;
use crate::service_client::Inner;
use crate::telemetry::{ExchangeRecord, ExchangeSpan, TelemetryFuture};

/// Sends one attempt to its endpoint and reads the answer as a `T`.
///
/// It is typed because the policies above judge what the answer means, a reply that does not fit included, and a second
/// pass over the body would cost as much as the first.
pub(crate) struct Exchange<'a, T> {
    client: &'a Inner,
    reply: PhantomData<fn() -> T>,
}

impl<'a, T> Exchange<'a, T> {
    pub(crate) fn new(client: &'a Inner) -> Self {
        Self {
            client,
            reply: PhantomData,
        }
    }

    fn send(
        &self,
        attempt: Attempt<&'a Outgoing<'a>, Arc<Peer>>,
    ) -> Result<ExchangeFuture<'a, T>, ServiceError> {
        let (outgoing, attempt) = attempt.take_request();
        let address = outgoing.address(attempt.endpoint())?;
        let mut request = outgoing.request(&attempt, address.uri.clone());
        let interceptors = &self.client.interceptors;
        interceptors.run(&mut request, attempt.number())?;
        let span = ExchangeSpan::new(&attempt, &request);
        let answer = self.client.transport.send(request, &address);
        drop(address);
        let answer = TelemetryFuture::new(answer, ExchangeRecord::new(attempt, span));
        Ok(ExchangeFuture::sent(answer, outgoing, &self.client.clock))
    }
}

impl<'a, T: DeserializeOwned> Service<Attempt<&'a Outgoing<'a>, Arc<Peer>>> for Exchange<'a, T> {
    type Response = T;
    type Error = ServiceError;
    type Future = ExchangeFuture<'a, T>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt<&'a Outgoing<'a>, Arc<Peer>>) -> ExchangeFuture<'a, T> {
        self.send(attempt).unwrap_or_else(ExchangeFuture::refused)
    }
}
