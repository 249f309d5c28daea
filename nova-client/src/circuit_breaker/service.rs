use std::sync::Arc;
use std::task::{Context, Poll};

use nova_errors::ServiceError;
use tower_service::Service;

use super::{Circuit, CircuitBreakerFuture, Permit};

/// A service that is not called while its circuit is open: see the [module](super).
#[derive(Debug, Clone)]
pub struct CircuitBreakerService<S> {
    inner: S,
    circuit: Option<Arc<Circuit>>,
}

impl<S> CircuitBreakerService<S> {
    pub(crate) fn new(inner: S, circuit: Option<Arc<Circuit>>) -> Self {
        Self { inner, circuit }
    }
}

impl<S, Request> Service<Request> for CircuitBreakerService<S>
where
    S: Service<Request, Error = ServiceError>,
{
    type Response = S::Response;
    type Error = ServiceError;
    type Future = CircuitBreakerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> CircuitBreakerFuture<S::Future> {
        let permit = self.circuit.as_ref().map(Permit::shared).transpose();
        match permit {
            Ok(permit) => CircuitBreakerFuture::passed(self.inner.call(request), permit),
            Err(error) => CircuitBreakerFuture::rejected(error),
        }
    }
}
