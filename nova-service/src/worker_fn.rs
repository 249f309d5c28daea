use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;

use crate::{BackgroundWorker, Shutdown, WorkerError};

/// A worker from a function, for what needs no type of its own, such as a gRPC server beside the
/// HTTP one.
///
/// The function is called for each start, so it clones what it moves into its future.
///
/// ```
/// use nova_service::{Shutdown, worker_fn};
///
/// let worker = worker_fn("heartbeat", |shutdown: Shutdown| async move {
///     shutdown.requested().await;
///     Ok(())
/// });
/// ```
pub fn worker_fn<F, Fut>(name: impl Into<Cow<'static, str>>, run: F) -> WorkerFn<F>
where
    F: Fn(Shutdown) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), WorkerError>> + Send + 'static,
{
    WorkerFn {
        name: name.into(),
        run,
    }
}

/// See [`worker_fn`].
#[derive(Clone)]
pub struct WorkerFn<F> {
    name: Cow<'static, str>,
    run: F,
}

impl<F> fmt::Debug for WorkerFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerFn")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<F, Fut> BackgroundWorker for WorkerFn<F>
where
    F: Fn(Shutdown) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), WorkerError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        (self.run)(shutdown).await
    }
}
