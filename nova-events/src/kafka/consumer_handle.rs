use std::time::Duration;

use nova_errors::{Chain, ServiceError};
use nova_service::{BackgroundWorker, Shutdown, ShutdownTrigger, WorkerError};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::EventConsumer;

/// Stops a consumer that runs as a task of its own. Dropping it cancels the handlers and stops it too.
#[derive(Debug)]
pub struct ConsumerHandle {
    trigger: ShutdownTrigger,
    task: Mutex<Option<AbortOnDropHandle<Result<(), WorkerError>>>>,
}

impl ConsumerHandle {
    pub(super) fn start(consumer: EventConsumer) -> Self {
        let (trigger, shutdown) = Shutdown::new();
        let task = tokio::spawn(async move {
            let ended = consumer.run(shutdown).await;
            if let Err(error) = &ended {
                let group = consumer.group();
                tracing::error!(%group, error = %Chain(error.error()), "the consumer stopped");
            }
            ended
        });
        Self {
            trigger,
            task: Mutex::new(Some(AbortOnDropHandle::new(task))),
        }
    }

    /// Asks the consumer to stop: handlers that run are finished, what is done is committed, and it leaves its group. Called
    /// again, it returns at once.
    ///
    /// # Errors
    ///
    /// `Timeout` where it takes longer than `timeout`; the handlers are cancelled then. What had stopped
    /// the consumer before.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the consumer is asked to stop all the same, and its handlers are cancelled.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), ServiceError> {
        self.trigger.shutdown();
        let Some(task) = self.task.lock().await.take() else {
            return Ok(());
        };
        let ended = tokio::time::timeout(timeout, task)
            .await
            .map_err(|_| ServiceError::Timeout("consumer shutdown".into()))?;
        match ended {
            Ok(ended) => ended.map_err(WorkerError::into_error),
            Err(panic) => {
                let error = ServiceError::Internal("consumer task".into());
                Err(error.with_source(panic))
            }
        }
    }
}
