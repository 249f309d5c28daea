use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_outbox::{
    Bucket, Lease, Moved, OutboxStats, OutboxStore, Outcomes, ReadBatch, ReadRequest, RelayId,
    Settled, Tenancy,
};

/// A store whose outcomes can be kept from being recorded, as if the process had died before.
pub(crate) struct StallingStore<S> {
    pub(crate) inner: S,
    pub(crate) stall: Arc<AtomicBool>,
}

#[async_trait]
impl<S: OutboxStore> OutboxStore for StallingStore<S> {
    async fn hold_leases(&self, relay: RelayId, ttl: Duration) -> Result<Tenancy, ServiceError> {
        self.inner.hold_leases(relay, ttl).await
    }

    async fn release(&self, relay: RelayId, leases: &[Lease]) -> Result<(), ServiceError> {
        self.inner.release(relay, leases).await
    }

    async fn leave(&self, relay: RelayId) -> Result<(), ServiceError> {
        self.inner.leave(relay).await
    }

    async fn read(&self, request: ReadRequest<'_>) -> Result<ReadBatch, ServiceError> {
        self.inner.read(request).await
    }

    async fn settle(&self, relay: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
        if self.stall.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.inner.settle(relay, outcomes).await
    }

    async fn move_due(
        &self,
        relay: RelayId,
        buckets: &[Bucket],
        limit: u32,
    ) -> Result<Moved, ServiceError> {
        self.inner.move_due(relay, buckets, limit).await
    }

    async fn stats(&self, buckets: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        self.inner.stats(buckets).await
    }
}
