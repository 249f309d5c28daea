use std::task::{Context, Poll};

use nova_errors::ServiceError;
use tower_service::Service;

use super::AttemptTimeoutFuture;
use crate::Attempt;

/// A service whose attempts end in time: see the [module](super).
#[derive(Debug, Clone)]
pub struct AttemptTimeout<S> {
    inner: S,
}

impl<S> AttemptTimeout<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, R, E> Service<Attempt<R, E>> for AttemptTimeout<S>
where
    S: Service<Attempt<R, E>, Error = ServiceError>,
{
    type Response = S::Response;
    type Error = ServiceError;
    type Future = AttemptTimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt<R, E>) -> AttemptTimeoutFuture<S::Future> {
        let until = attempt.until();
        AttemptTimeoutFuture::new(self.inner.call(attempt), until)
    }
}
