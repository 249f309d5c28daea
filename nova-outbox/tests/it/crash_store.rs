use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_outbox::{
    Bucket, Lease, Moved, OutboxEvent, OutboxPublisher, OutboxStats, OutboxStore, Outcomes,
    ReadBatch, ReadRequest, RelayId, Settled, Tenancy,
};
use tokio::sync::watch;

/// Where a relay dies: at one of its awaits of the store or the publisher, before the call takes effect or after it did.
#[derive(Clone)]
pub(crate) struct CrashPoint {
    moment: Moment,
    call: &'static str,
    /// Which of the passages it is, from 0.
    nth: u32,
    passed: Arc<AtomicU32>,
    crashed: watch::Sender<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

impl CrashPoint {
    pub(crate) fn new(moment: Moment, call: &'static str, nth: u32) -> Self {
        Self {
            moment,
            call,
            nth,
            passed: Arc::default(),
            crashed: watch::Sender::new(false),
        }
    }

    /// Waits for the crash.
    pub(crate) async fn crashed(&self) {
        let mut crashed = self.crashed.subscribe();
        crashed.wait_for(|crashed| *crashed).await.unwrap();
    }

    pub(crate) fn has_crashed(&self) -> bool {
        *self.crashed.borrow()
    }

    async fn pass(&self, moment: Moment, call: &str) {
        if moment == self.moment
            && call == self.call
            && self.passed.fetch_add(1, Ordering::Relaxed) == self.nth
        {
            self.crashed.send_replace(true);
        }
        if self.has_crashed() {
            // The dead do nothing more.
            std::future::pending::<()>().await;
        }
    }

    async fn around<T>(&self, call: &str, work: impl Future<Output = T>) -> T {
        self.pass(Moment::Before, call).await;
        let done = work.await;
        self.pass(Moment::After, call).await;
        done
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {}", self.moment, self.call, self.nth)
    }
}

pub(crate) struct CrashStore<S> {
    pub(crate) inner: S,
    pub(crate) point: CrashPoint,
}

#[async_trait]
impl<S: OutboxStore> OutboxStore for CrashStore<S> {
    async fn hold_leases(&self, relay: RelayId, ttl: Duration) -> Result<Tenancy, ServiceError> {
        let work = self.inner.hold_leases(relay, ttl);
        self.point.around("hold_leases", work).await
    }

    async fn release(&self, relay: RelayId, leases: &[Lease]) -> Result<(), ServiceError> {
        let work = self.inner.release(relay, leases);
        self.point.around("release", work).await
    }

    async fn leave(&self, relay: RelayId) -> Result<(), ServiceError> {
        self.point.around("leave", self.inner.leave(relay)).await
    }

    async fn read(&self, request: ReadRequest<'_>) -> Result<ReadBatch, ServiceError> {
        self.point.around("read", self.inner.read(request)).await
    }

    async fn settle(&self, relay: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
        let work = self.inner.settle(relay, outcomes);
        self.point.around("settle", work).await
    }

    async fn move_due(
        &self,
        relay: RelayId,
        buckets: &[Bucket],
        limit: u32,
    ) -> Result<Moved, ServiceError> {
        let work = self.inner.move_due(relay, buckets, limit);
        self.point.around("move_due", work).await
    }

    async fn stats(&self, buckets: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        self.point.around("stats", self.inner.stats(buckets)).await
    }
}

pub(crate) struct CrashPublisher<P> {
    pub(crate) inner: P,
    pub(crate) point: CrashPoint,
}

#[async_trait]
impl<P: OutboxPublisher> OutboxPublisher for CrashPublisher<P> {
    async fn publish(&self, event: &OutboxEvent) -> Result<(), ServiceError> {
        let work = self.inner.publish(event);
        self.point.around("publish", work).await
    }

    fn delivery_timeout(&self) -> Duration {
        self.inner.delivery_timeout()
    }
}
