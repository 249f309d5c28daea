use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nova_errors::{Effect, Origin, ServiceError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use super::BulkheadFuture;

/// A service with so many requests in flight and no more: see the [module](super).
///
/// A clone shares the limit but not the permit: it has to become ready by itself.
pub struct Bulkhead<S> {
    inner: S,
    permits: Option<Arc<Semaphore>>,
    admission: Admission,
}

type Turn = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + Sync>>;

/// How far the next request is.
enum Admission {
    Outside,
    Waiting(Turn),
    /// Without a permit where there is no limit.
    Granted(Option<OwnedSemaphorePermit>),
}

impl<S> Bulkhead<S> {
    pub(crate) fn new(inner: S, permits: Option<Arc<Semaphore>>) -> Self {
        Self {
            inner,
            permits,
            admission: Admission::Outside,
        }
    }

    fn enter(&self) -> Admission {
        let Some(permits) = &self.permits else {
            return Admission::Granted(None);
        };
        // It overtakes nobody: a permit that somebody waits for is never free. And it needs no allocation.
        match Arc::clone(permits).try_acquire_owned() {
            Ok(permit) => Admission::Granted(Some(permit)),
            Err(_) => Admission::Waiting(Box::pin(Arc::clone(permits).acquire_owned())),
        }
    }
}

impl<S, Request> Service<Request> for Bulkhead<S>
where
    S: Service<Request, Error = ServiceError>,
{
    type Response = S::Response;
    type Error = ServiceError;
    type Future = BulkheadFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        loop {
            self.admission = match &mut self.admission {
                Admission::Outside => self.enter(),
                // It fails only where the semaphore is closed, which nobody does.
                Admission::Waiting(turn) => Admission::Granted(ready!(turn.as_mut().poll(cx)).ok()),
                Admission::Granted(_) => return self.inner.poll_ready(cx),
            };
        }
    }

    fn call(&mut self, request: Request) -> BulkheadFuture<S::Future> {
        match mem::replace(&mut self.admission, Admission::Outside) {
            Admission::Granted(permit) => {
                BulkheadFuture::admitted(self.inner.call(request), permit)
            }
            Admission::Outside | Admission::Waiting(_) => BulkheadFuture::rejected(
                ServiceError::Internal("called before it was ready".into())
                    .with_origin(Origin::Local)
                    .with_effect(Effect::None),
            ),
        }
    }
}

impl<S: Clone> Clone for Bulkhead<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.permits.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Bulkhead<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("inner", &self.inner)
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}
