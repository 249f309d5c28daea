use std::mem;
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

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<R>) -> RetryFuture<S, R> {
        // The instance that was polled ready is the one to use.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        RetryFuture::new(ready, self.settings.clone(), call)
    }
}
