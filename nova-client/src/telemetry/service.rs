use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use nova_errors::ServiceError;
use tower_service::Service;

use super::{ExchangeRecord, ExchangeSpan, TelemetryFuture};
use crate::Attempt;
use crate::peer::Peer;

/// A service whose requests are recorded: see the [module](super).
#[derive(Debug, Clone)]
pub struct Telemetry<S> {
    inner: S,
    peer: Arc<Peer>,
}

impl<S> Telemetry<S> {
    pub(crate) fn new(inner: S, peer: Arc<Peer>) -> Self {
        Self { inner, peer }
    }
}

impl<S, A, B, E> Service<Attempt<Request<A>, E>> for Telemetry<S>
where
    S: Service<Request<A>, Response = Response<B>, Error = ServiceError>,
{
    type Response = Response<B>;
    type Error = ServiceError;
    type Future = TelemetryFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt<Request<A>, E>) -> TelemetryFuture<S::Future> {
        let (request, attempt) = attempt.at(Arc::clone(&self.peer)).take_request();
        let span = ExchangeSpan::new(&attempt, &request);
        let record = ExchangeRecord::new(attempt, span);
        TelemetryFuture::new(self.inner.call(request), record)
    }
}
