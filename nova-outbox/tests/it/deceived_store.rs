use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_outbox::{
    Bucket, Lease, Moved, OutboxStats, OutboxStore, Outcomes, ReadBatch, ReadRequest, RelayId,
    Settled, Tenancy,
};
use tokio::sync::Notify;

/// A store that, once told to, says that the leases are held still, as a relay believes that was suspended.
pub(crate) struct DeceivedStore<S> {
    inner: S,
    deceived: Arc<AtomicBool>,
    settled: Arc<Notify>,
    last: Mutex<Tenancy>,
}

impl<S> DeceivedStore<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            deceived: Arc::default(),
            settled: Arc::default(),
            last: Mutex::default(),
        }
    }

    pub(crate) fn deceived(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.deceived)
    }

    /// Notified when outcomes were recorded, or refused.
    pub(crate) fn settled(&self) -> Arc<Notify> {
        Arc::clone(&self.settled)
    }
}

#[async_trait]
impl<S: OutboxStore> OutboxStore for DeceivedStore<S> {
    async fn hold_leases(&self, relay: RelayId, ttl: Duration) -> Result<Tenancy, ServiceError> {
        if !self.deceived.load(Ordering::Relaxed) {
            let tenancy = self.inner.hold_leases(relay, ttl).await?;
            *self.last.lock().unwrap() = tenancy;
        }
        Ok(self.last.lock().unwrap().clone())
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
        let settled = self.inner.settle(relay, outcomes).await;
        self.settled.notify_one();
        settled
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
