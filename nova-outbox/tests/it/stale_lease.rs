use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_outbox::{
    Bucket, EventKey, Lease, Moved, OutboxProcessor, OutboxStats, OutboxStore, Outcomes, ReadBatch,
    ReadRequest, RelayId, Settled, Tenancy,
};
use tokio::sync::watch;

use crate::scripted_publisher::ScriptedPublisher;

/// A store with a hold whose event is gone, which only the second lease is good enough to end: the first was lost
/// without the relay's knowledge.
struct StaleLeaseStore {
    epoch: AtomicI64,
    reads: Arc<AtomicU32>,
    released: watch::Sender<bool>,
}

#[async_trait]
impl OutboxStore for StaleLeaseStore {
    async fn hold_leases(&self, _: RelayId, _: Duration) -> Result<Tenancy, ServiceError> {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let leases = Bucket::all().map(|bucket| Lease { bucket, epoch });
        Ok(Tenancy {
            leases: leases.collect(),
            share: 64,
            pending: true,
            next_due: None,
        })
    }

    async fn release(&self, _: RelayId, _: &[Lease]) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn leave(&self, _: RelayId) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn read(&self, _: ReadRequest<'_>) -> Result<ReadBatch, ServiceError> {
        // A relay that goes round in circles stops here, and the clock goes on.
        if self.reads.fetch_add(1, Ordering::Relaxed) > 100 {
            std::future::pending::<()>().await;
        }
        let mut batch = ReadBatch::default();
        if !*self.released.borrow() {
            let bucket = Bucket::of("content", "a");
            batch.orphans.push(EventKey { bucket, seq: 1 });
        }
        Ok(batch)
    }

    async fn settle(&self, _: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
        let good = outcomes.released.iter().filter(|hold| hold.epoch > 1);
        let released: Vec<_> = good.map(|hold| hold.key).collect();
        self.released.send_if_modified(|done| {
            let now = !released.is_empty();
            now && !std::mem::replace(done, true)
        });
        Ok(Settled {
            released,
            ..Settled::default()
        })
    }

    async fn move_due(&self, _: RelayId, _: &[Bucket], _: u32) -> Result<Moved, ServiceError> {
        Ok(Moved::default())
    }

    async fn stats(&self, _: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        Ok(OutboxStats::default())
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_refused_asks_for_the_leases_before_it_is_tried_again() {
    let reads = Arc::<AtomicU32>::default();
    let released = watch::Sender::new(false);
    let mut done = released.subscribe();
    let store = StaleLeaseStore {
        epoch: AtomicI64::new(0),
        reads: Arc::clone(&reads),
        released,
    };
    let poll = Duration::from_secs(60);
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = OutboxProcessor::new(store, publisher, 100, poll, 5).start();
    tokio::time::timeout(poll / 2, done.wait_for(|done| *done))
        .await
        .expect("long before the next renewal")
        .unwrap();
    assert!(reads.load(Ordering::Relaxed) <= 3);
}
