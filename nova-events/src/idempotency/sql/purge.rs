use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_service::{BackgroundWorker, Shutdown, WorkerError};
use tokio::time::MissedTickBehavior;

use super::{InboxDatabase, SqlInbox};

/// Deletes what an inbox need not remember any more, from time to time: a worker for a `nova_service::Supervisor`, in one or more of the
/// processes that share the table.
#[derive(Debug)]
pub struct InboxPurge<DB: InboxDatabase> {
    inbox: SqlInbox<DB>,
    every: Duration,
}

impl<DB: InboxDatabase> InboxPurge<DB> {
    /// The time between two runs, by default: a minute.
    pub const EVERY: Duration = Duration::from_secs(60);

    /// How many entries are deleted at once, in a transaction of their own: 5000.
    pub const BATCH: u32 = 5000;

    /// How many batches a run has at most, so that it is over some time: 100.
    pub const BATCHES: u32 = 100;

    /// A worker that purges `inbox` every minute.
    #[must_use]
    pub fn new(inbox: SqlInbox<DB>) -> Self {
        Self {
            inbox,
            every: Self::EVERY,
        }
    }

    /// Sets the time between two runs, at least a millisecond: [`EVERY`](Self::EVERY) unless set.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every.max(Duration::from_millis(1));
        self
    }

    /// One run: batch by batch until nothing is over any more, the shutdown is asked for, or [`BATCHES`](Self::BATCHES) are done.
    async fn purge(&self, shutdown: &Shutdown) -> Result<u64, ServiceError> {
        let mut all = 0;
        for _ in 0..Self::BATCHES {
            let purged = self.inbox.purge(Self::BATCH).await?;
            all += purged;
            if purged < u64::from(Self::BATCH) || shutdown.is_requested() {
                break;
            }
        }
        Ok(all)
    }
}

#[async_trait]
impl<DB: InboxDatabase> BackgroundWorker for InboxPurge<DB> {
    fn name(&self) -> &str {
        "inbox-purge"
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let mut runs = tokio::time::interval(self.every);
        runs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                _ = runs.tick() => {}
            }
            let purged = self.purge(&shutdown).await?;
            if purged > 0 {
                tracing::debug!(purged, "deleted inbox entries that are over");
            }
        }
    }
}
