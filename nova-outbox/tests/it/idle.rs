use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_outbox::{
    Bucket, Lease, Moved, OutboxProcessor, OutboxStats, OutboxStore, Outcomes, ReadBatch,
    ReadRequest, RelayId, Settled, Tenancy,
};

use crate::scripted_publisher::ScriptedPublisher;

/// A store that is empty, and counts how often it is asked.
struct EmptyStore(Arc<AtomicU32>);

impl EmptyStore {
    fn asked(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl OutboxStore for EmptyStore {
    async fn hold_leases(&self, _: RelayId, _: Duration) -> Result<Tenancy, ServiceError> {
        self.asked();
        let leases = Bucket::all()
            .map(|bucket| Lease { bucket, epoch: 1 })
            .collect();
        Ok(Tenancy {
            leases,
            share: 64,
            pending: false,
            next_due: None,
        })
    }

    async fn release(&self, _: RelayId, _: &[Lease]) -> Result<(), ServiceError> {
        self.asked();
        Ok(())
    }

    async fn leave(&self, _: RelayId) -> Result<(), ServiceError> {
        self.asked();
        Ok(())
    }

    async fn read(&self, _: ReadRequest<'_>) -> Result<ReadBatch, ServiceError> {
        self.asked();
        Ok(ReadBatch::default())
    }

    async fn settle(&self, _: RelayId, _: &Outcomes) -> Result<Settled, ServiceError> {
        self.asked();
        Ok(Settled::default())
    }

    async fn move_due(&self, _: RelayId, _: &[Bucket], _: u32) -> Result<Moved, ServiceError> {
        self.asked();
        Ok(Moved::default())
    }

    async fn stats(&self, _: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        self.asked();
        Ok(OutboxStats::default())
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_relay_makes_at_most_one_query_a_poll_interval() {
    for poll in [
        Duration::from_millis(700),
        Duration::from_secs(5),
        Duration::from_secs(60),
    ] {
        let asked = Arc::new(AtomicU32::new(0));
        let store = EmptyStore(Arc::clone(&asked));
        let publisher = ScriptedPublisher::acknowledging();
        let _relay = OutboxProcessor::new(store, publisher, 100, poll, 5).start();
        // It joins and looks around first.
        tokio::time::sleep(poll / 2).await;
        assert!(asked.swap(0, Ordering::Relaxed) <= 3);
        tokio::time::sleep(poll * 100).await;
        let asked = asked.load(Ordering::Relaxed);
        assert!(
            (90..=100).contains(&asked),
            "{asked} queries in 100 intervals of {poll:?}"
        );
    }
}
