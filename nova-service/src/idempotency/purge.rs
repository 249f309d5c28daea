use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Chain, ServiceError};
use tokio::time::MissedTickBehavior;

use super::IdempotencyStore;
use crate::{BackgroundWorker, Shutdown, WorkerError};

/// Deletes the answers whose retention is over, from time to time: a worker for a [`Supervisor`](crate::Supervisor).
///
/// `SqlIdempotencyStore` needs one, in one or more of its processes. The other stores forget by themselves. A run that fails is logged and the next one
/// is on time: what is left over harms nobody, and a service does not end for it.
///
/// ```
/// use nova_service::{IdempotencyPurge, MemoryIdempotencyStore};
///
/// # fn example(supervisor: &mut nova_service::Supervisor, store: MemoryIdempotencyStore) {
/// supervisor.spawn(IdempotencyPurge::new(store));
/// # }
/// ```
pub struct IdempotencyPurge<S> {
    store: S,
    every: Duration,
}

impl<S: IdempotencyStore> IdempotencyPurge<S> {
    /// The time between two runs, by default: a minute.
    pub const EVERY: Duration = Duration::from_secs(60);

    /// How many answers are deleted at once, in a transaction of their own: 1000.
    pub const BATCH: u32 = 1000;

    /// How many batches a run has at most, so that it is over some time: 100.
    pub const BATCHES: u32 = 100;

    /// A worker that purges `store` every minute.
    pub fn new(store: S) -> Self {
        Self {
            store,
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
            let purged = self.store.purge(Self::BATCH).await?;
            all += purged;
            if purged < u64::from(Self::BATCH) || shutdown.is_requested() {
                break;
            }
        }
        Ok(all)
    }
}

#[async_trait]
impl<S: IdempotencyStore> BackgroundWorker for IdempotencyPurge<S> {
    fn name(&self) -> &str {
        "idempotency-purge"
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let mut runs = tokio::time::interval(self.every);
        runs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                _ = runs.tick() => {}
            }
            match self.purge(&shutdown).await {
                Ok(purged) => tracing::debug!(purged, "deleted answers whose retention is over"),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "answers whose retention is over were not deleted");
                }
            }
        }
    }
}

impl<S> fmt::Debug for IdempotencyPurge<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyPurge")
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
