use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;

use crate::{Shutdown, WorkerError};

/// Something that runs in the background of a service until it is asked to stop: a consumer, a
/// relay, a sweeper, a server.
///
/// A [`Supervisor`](crate::Supervisor) runs it. `run` takes `&self` because a worker that failed is started again.
///
/// ```
/// use std::time::Duration;
/// use async_trait::async_trait;
/// use nova_service::{BackgroundWorker, Shutdown, WorkerError};
///
/// struct Sweeper;
///
/// #[async_trait]
/// impl BackgroundWorker for Sweeper {
///     fn name(&self) -> &str {
///         "sweeper"
///     }
///
///     async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
///         let mut minutes = tokio::time::interval(Duration::from_secs(60));
///         loop {
///             tokio::select! {
///                 () = shutdown.requested() => return Ok(()),
///                 _ = minutes.tick() => { /* sweep */ }
///             }
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait BackgroundWorker: Send + Sync + 'static {
    /// What the worker is called in logs, metrics and health: few and fixed names, no ids.
    fn name(&self) -> &str;

    /// Works until `shutdown` is asked for, then drains and returns `Ok`.
    ///
    /// One that returns `Ok` earlier has finished its work for good.
    ///
    /// # Errors
    ///
    /// [`WorkerError::Transient`] to be started again, [`WorkerError::Fatal`] to stop the service.
    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError>;

    /// Does what a stop needs beside the signal that `run` gets at the same time; `timeout` is what it may take.
    ///
    /// By default there is nothing to do: `run` drains by itself.
    ///
    /// # Errors
    ///
    /// What kept it from stopping cleanly.
    async fn graceful_shutdown(&self, timeout: Duration) -> Result<(), ServiceError> {
        let _ = timeout;
        Ok(())
    }

    /// Whether the worker does its work now, beyond that it runs. By default it does.
    ///
    /// # Errors
    ///
    /// What is wrong, in a message fit for the body of the health route.
    async fn health_check(&self) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[async_trait]
impl<W: BackgroundWorker + ?Sized> BackgroundWorker for Arc<W> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        (**self).run(shutdown).await
    }

    async fn graceful_shutdown(&self, timeout: Duration) -> Result<(), ServiceError> {
        (**self).graceful_shutdown(timeout).await
    }

    async fn health_check(&self) -> Result<(), ServiceError> {
        (**self).health_check().await
    }
}
