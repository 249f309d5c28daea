use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use nova_errors::ServiceError;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::Outgoing;
use super::future::ExchangeFuture;
use crate::Attempt;
use crate::peer::Peer;
use crate::service_client::Inner;
use crate::telemetry::{ExchangeRecord, TelemetryFuture};

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

    fn request(
        &self,
        attempt: &Attempt<Arc<Outgoing>, Arc<Peer>>,
    ) -> Result<Request<Bytes>, ServiceError> {
        let mut request = attempt.request().request(attempt)?;
        let interceptors = &self.client.interceptors;
        interceptors.run(&mut request, attempt.number())?;
        Ok(request)
    }
}

impl<'a, T: DeserializeOwned> Service<Attempt<Arc<Outgoing>, Arc<Peer>>> for Exchange<'a, T> {
    type Response = T;
    type Error = ServiceError;
    type Future = ExchangeFuture<'a, T>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt<Arc<Outgoing>, Arc<Peer>>) -> ExchangeFuture<'a, T> {
        let request = match self.request(&attempt) {
            Ok(request) => request,
            Err(error) => return ExchangeFuture::refused(error),
        };
        let (outgoing, attempt) = attempt.take_request();
        let record = ExchangeRecord::start(attempt, &request);
        let answer = TelemetryFuture::new(self.client.transport.send(request), record);
        ExchangeFuture::sent(answer, outgoing, &self.client.clock)
    }
}
