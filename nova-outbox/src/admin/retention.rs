use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use metrics::counter;
use nova_errors::{Chain, ServiceError, Violation};
use nova_service::{BackgroundWorker, Shutdown, WorkerError};

use crate::{EventFilter, OutboxAdmin};

/// Deletes dead letters that are older than an age, once an hour.
///
/// Dead letters are kept for ever where nobody runs one, as they are events which their consumers have not seen. Where one is run, alert on
/// `outbox_dead` before they are gone. Hand it to a `nova_service::Supervisor`; any number of processes may run one.
///
/// Each round deletes in transactions of [500](crate::Batches::DEFAULT) rows. A round that fails is logged, makes the
/// [health check](BackgroundWorker::health_check) fail until one succeeds, and is tried again at the next hour: it never stops the service.
///
/// ```
/// use nova_outbox::{DeadLetterRetention, OutboxAdmin};
/// # fn example(pool: sqlx::SqlitePool) -> Result<(), nova_errors::ServiceError> {
/// let worker = DeadLetterRetention::new(OutboxAdmin::from(pool), DeadLetterRetention::DEFAULT_AGE)?
///     .source("user-service");
/// // supervisor.spawn(worker);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DeadLetterRetention {
    admin: OutboxAdmin,
    age: Duration,
    source: String,
    fails: AtomicBool,
}

impl DeadLetterRetention {
    /// An age that leaves time to mend and replay: 30 days.
    pub const DEFAULT_AGE: Duration = Duration::from_secs(30 * DAY);

    const MIN_AGE: Duration = Duration::from_secs(60 * 60);
    const MAX_AGE: Duration = Duration::from_secs(3650 * DAY);
    const EVERY: Duration = Duration::from_secs(60 * 60);

    /// A worker that keeps dead letters for `age`: an hour to 10 years.
    ///
    /// # Errors
    ///
    /// `Validation` for an age out of these bounds.
    pub fn new(admin: OutboxAdmin, age: Duration) -> Result<Self, ServiceError> {
        if !(Self::MIN_AGE..=Self::MAX_AGE).contains(&age) {
            let expected = format!("expected an hour to 10 years, got {age:?}");
            return Err(ServiceError::Validation(
                Violation::new("age", expected).into(),
            ));
        }
        Ok(Self {
            admin,
            age,
            source: String::new(),
            fails: AtomicBool::new(false),
        })
    }

    /// The label `source` of the metric `outbox_dead_purged_total`.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    async fn sweep(&self, shutdown: &Shutdown) -> Result<u64, ServiceError> {
        let old = EventFilter::new().older_than(self.age);
        let mut purge = self.admin.purge(old).await?;
        while !shutdown.is_requested()
            && let Some(events) = purge.next().await?
        {
            counter!("outbox_dead_purged_total", "source" => self.source.clone()).increment(events);
        }
        Ok(purge.done())
    }
}

const DAY: u64 = 24 * 60 * 60;

#[async_trait]
impl BackgroundWorker for DeadLetterRetention {
    fn name(&self) -> &str {
        "outbox-retention"
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        loop {
            let swept = self.sweep(&shutdown).await;
            self.fails.store(swept.is_err(), Ordering::Relaxed);
            match swept {
                Ok(0) => {}
                Ok(events) => tracing::warn!(events, "old dead letters of the outbox were deleted"),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "cannot delete old dead letters of the outbox");
                }
            }
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                () = tokio::time::sleep(Self::EVERY) => {}
            }
        }
    }

    async fn health_check(&self) -> Result<(), ServiceError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(ServiceError::ServiceUnavailable(
                "old dead letters of the outbox are not deleted".into(),
            ));
        }
        Ok(())
    }
}
