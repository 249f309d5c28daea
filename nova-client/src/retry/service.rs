use std::task::{Context, Poll};

use nova_errors::ServiceError;
use tower_service::Service;

use super::{RetryFuture, RetryLayer};
use crate::{Attempt, Call};

/// A service that makes several attempts at a call: see the [module](super).
#[derive(Debug, Clone)]
pub struct Retry<S> {
    inner: S,
    settings: RetryLayer,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, settings: RetryLayer) -> Self {
        Self { inner, settings }
    }
}

impl<S, R> Service<Call<R>> for Retry<S>
where
    S: Service<Attempt<R>, Error = ServiceError> + Clone,
    R: Clone,
{
    type Response = S::Response;
    type Error = ServiceError;
    type Future = RetryFuture<S, R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        // Each attempt waits for the inner service by itself: only there the deadline is known.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<R>) -> RetryFuture<S, R> {
        RetryFuture::new(self.inner.clone(), self.settings.clone(), call)
    }
}
