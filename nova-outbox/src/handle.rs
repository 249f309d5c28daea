use std::sync::Arc;
use std::time::Duration;

use nova_errors::ServiceError;
use nova_service::{Shutdown, ShutdownTrigger};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::OutboxProcessor;
use crate::health::RelayHealth;

type Outcome = Option<Result<(), ServiceError>>;

/// A relay that runs in the background: see [`OutboxProcessor::start`].
///
/// Dropping it ends the relay at once, as a crash would: nothing is lost, what was in flight may be published again, and its buckets wait for the end
/// of their lease. [`shutdown`](Self::shutdown) is the better way.
#[derive(Debug)]
#[must_use = "the relay stops when its handle is dropped"]
pub struct OutboxHandle {
    trigger: ShutdownTrigger,
    outcome: watch::Receiver<Outcome>,
    health: Arc<RelayHealth>,
    task: Option<AbortOnDropHandle<()>>,
}

impl OutboxHandle {
    pub(crate) fn spawn(processor: OutboxProcessor) -> Self {
        let (trigger, shutdown) = Shutdown::new();
        let (sender, outcome) = watch::channel(None);
        let health = Arc::clone(processor.health());
        let runtime = processor.settings().and_then(|_| {
            tokio::runtime::Handle::try_current().map_err(|error| {
                ServiceError::Internal("start an outbox relay".into()).with_source(error)
            })
        });
        let task = match runtime {
            Ok(runtime) => Some(AbortOnDropHandle::new(runtime.spawn(async move {
                let result = processor.relay(shutdown).await;
                sender.send_replace(Some(result));
            }))),
            Err(error) => {
                tracing::error!(error = %nova_errors::Chain(&error), "outbox relay does not start");
                sender.send_replace(Some(Err(error)));
                None
            }
        };
        Self {
            trigger,
            outcome,
            health,
            task,
        }
    }

    /// Stops the relay: nothing new goes out, what is in flight is waited for and recorded, and its buckets are given up. Doing it
    /// again gives the same answer.
    ///
    /// # Errors
    ///
    /// `Timeout` where that takes longer than `timeout`; the relay is then ended, and what was in flight may be published
    /// again. Otherwise what kept the relay from starting or from stopping cleanly.
    ///
    /// # Cancel safety
    ///
    /// After a drop the relay goes on stopping for as long as the handle lives.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), ServiceError> {
        self.trigger.shutdown();
        let mut outcome = self.outcome.clone();
        let ended = outcome.wait_for(Option::is_some);
        match tokio::time::timeout(timeout, ended).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Ok(())),
            Ok(Err(_closed)) => Err(ServiceError::Internal("outbox relay was ended".into())),
            Err(_elapsed) => {
                if let Some(task) = &self.task {
                    task.abort();
                }
                Err(ServiceError::Timeout("stop the outbox relay".into()))
            }
        }
    }

    /// Whether the relay runs, and reaches its database and the broker.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` that says what is wrong; what kept the relay from starting, where it didn't.
    pub fn health_check(&self) -> Result<(), ServiceError> {
        if let Some(Err(error)) = &*self.outcome.borrow() {
            return Err(error.clone());
        }
        self.health.check()
    }
}
