use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_outbox::{
    Bucket, Lease, Moved, OutboxStats, OutboxStore, Outcomes, ReadBatch, ReadRequest, RelayId,
    Settled, Tenancy,
};

/// A store whose failures are counted, as a relay hides them by trying again.
pub(crate) struct ObservedStore<S> {
    inner: S,
    failures: Arc<AtomicU32>,
}

impl<S> ObservedStore<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            failures: Arc::default(),
        }
    }

    pub(crate) fn failures(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.failures)
    }

    async fn observe<T>(
        &self,
        work: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        let done = work.await;
        if let Err(error) = &done {
            eprintln!("{}", nova_errors::Chain(error));
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        done
    }
}

#[async_trait]
impl<S: OutboxStore> OutboxStore for ObservedStore<S> {
    async fn hold_leases(&self, relay: RelayId, ttl: Duration) -> Result<Tenancy, ServiceError> {
        self.observe(self.inner.hold_leases(relay, ttl)).await
    }

    async fn release(&self, relay: RelayId, leases: &[Lease]) -> Result<(), ServiceError> {
        self.observe(self.inner.release(relay, leases)).await
    }

    async fn leave(&self, relay: RelayId) -> Result<(), ServiceError> {
        self.observe(self.inner.leave(relay)).await
    }

    async fn read(&self, request: ReadRequest<'_>) -> Result<ReadBatch, ServiceError> {
        self.observe(self.inner.read(request)).await
    }

    async fn settle(&self, relay: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
        self.observe(self.inner.settle(relay, outcomes)).await
    }

    async fn move_due(
        &self,
        relay: RelayId,
        buckets: &[Bucket],
        limit: u32,
    ) -> Result<Moved, ServiceError> {
        self.observe(self.inner.move_due(relay, buckets, limit))
            .await
    }

    async fn stats(&self, buckets: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        self.observe(self.inner.stats(buckets)).await
    }
}
