//! What is slow, stuck or large is not to stop the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Backoff, ServiceError};
use nova_events::NewEvent;
use nova_outbox::{
    Bucket, EventKey, Lease, Moved, OutboxDatabase, OutboxProcessor, OutboxStats, OutboxStore,
    Outcomes, ReadBatch, ReadRequest, RelayId, Settled, StoredEvent, Tenancy,
};

use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::Service;

/// Aggregates of one bucket.
fn neighbours(id: &str) -> impl Iterator<Item = String> {
    let bucket = Bucket::of("content", id);
    (0..)
        .map(|n| format!("neighbour-{n}"))
        .filter(move |id| Bucket::of("content", id) == bucket)
}

#[tokio::test]
async fn the_long_backlog_of_one_aggregate_does_not_hold_back_the_others_of_its_bucket() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|event| match event.event.aggregate_id() {
        "hot" => Act::Hang,
        _ => Act::Acknowledge,
    })
    .delivery_timeout(Duration::from_secs(600));
    service.enqueue((0..3_000).map(|n| event("hot", n))).await;
    let others: Vec<_> = neighbours("hot").take(50).collect();
    service.enqueue(others.iter().map(|id| event(id, 0))).await;
    let relay = service.relay(publisher.clone()).start();
    publisher.wait_for(50).await;
    service.enqueue(others.iter().map(|id| event(id, 1))).await;
    let sent = publisher.wait_for(100).await;
    assert!(sent.iter().all(|sent| sent.aggregate != "hot"));
    drop(relay);
    sqlx::raw_sql(sqlx::Sqlite::EXPIRE_LEASES)
        .execute(&service.pool)
        .await
        .unwrap();
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    service.drained().await;
    assert_eq!(
        publisher.numbers()["hot"],
        (0..3_000).collect::<Vec<_>>(),
        "what was left out of memory keeps its order"
    );
}

#[tokio::test]
async fn more_than_a_batch_of_aggregates_on_a_dead_partition_do_not_stop_the_rest() {
    const DEAD: u32 = 300;
    let service = Service::sqlite().await;
    let dead = Arc::new(AtomicBool::new(true));
    let publisher = ScriptedPublisher::new({
        let dead = Arc::clone(&dead);
        move |event| {
            assert_eq!(
                event.attempts, 0,
                "the partition's failure costs no attempt"
            );
            if dead.load(Ordering::Relaxed) && event.event.aggregate_id().starts_with("dead") {
                Act::Hang
            } else {
                Act::Acknowledge
            }
        }
    })
    .delivery_timeout(Duration::from_millis(100));
    service
        .enqueue((0..DEAD).map(|n| event(&format!("dead-{n}"), 0)))
        .await;
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(200)).unwrap();
    let relay = OutboxProcessor::new(
        service.repository(),
        publisher.clone(),
        10,
        Duration::from_millis(200),
        3,
    );
    let _relay = relay.wake_on(&service.outbox).backoff(backoff).start();
    for round in 0..20 {
        let live = (0..20).map(|n| event(&format!("live-{n}"), round));
        service.enqueue(live).await;
        publisher
            .wait_for(usize::try_from(round + 1).unwrap() * 20)
            .await;
    }
    // They wait in the database, where they take no room from the others.
    let stats = service
        .wait_for(|stats| stats.pending == u64::from(DEAD) && stats.retrying > u64::from(DEAD / 2))
        .await;
    assert_eq!(stats.dead, 0);
    dead.store(false, Ordering::Relaxed);
    service.drained().await;
    assert_eq!(
        publisher.numbers().len(),
        usize::try_from(DEAD).unwrap() + 20
    );
}

#[tokio::test]
async fn more_than_a_batch_of_events_that_hang_do_not_stop_the_rest() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|event| {
        if event.event.aggregate_id().starts_with("dead") {
            Act::Hang
        } else {
            Act::Acknowledge
        }
    })
    .delivery_timeout(Duration::from_secs(600));
    service
        .enqueue((0..25).map(|n| event(&format!("dead-{n}"), 0)))
        .await;
    let poll = Duration::from_millis(200);
    let relay = OutboxProcessor::new(service.repository(), publisher.clone(), 10, poll, 3);
    let _relay = relay.wake_on(&service.outbox).start();
    publisher.wait_for_attempts(25).await;
    for round in 0..5 {
        let live = (0..20).map(|n| event(&format!("live-{n}"), round));
        service.enqueue(live).await;
        publisher
            .wait_for(usize::try_from(round + 1).unwrap() * 20)
            .await;
    }
}

/// Adds up the payloads that the relay reads.
struct WeighedStore<S> {
    inner: S,
    bytes: Arc<AtomicUsize>,
}

#[async_trait]
impl<S: OutboxStore> OutboxStore for WeighedStore<S> {
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
        let batch = self.inner.read(request).await?;
        let events = batch
            .events
            .iter()
            .filter_map(|row| row.event.as_ref().ok());
        let bytes = events.map(|event| event.payload().len()).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(batch)
    }

    async fn settle(&self, relay: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
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

#[tokio::test]
async fn large_events_are_read_within_the_bound_in_bytes() {
    const SIZE: usize = 800 * 1024;
    let service = Service::sqlite().await;
    for n in 0..60 {
        let mut parts = event(&format!("a{n}"), n).into_parts();
        parts.payload = vec![b' '; SIZE].into();
        service
            .enqueue([NewEvent::from_parts(parts).unwrap()])
            .await;
    }
    let bytes = Arc::new(AtomicUsize::new(0));
    let store = WeighedStore {
        inner: service.repository(),
        bytes: Arc::clone(&bytes),
    };
    let publisher = ScriptedPublisher::new(|_| Act::Hang);
    let _relay = service.relay_on(store, publisher.clone()).start();
    publisher.wait_for_attempts(38).await;
    // It goes on looking, and takes no more.
    let before = publisher.attempts();
    service.enqueue([event("small", 1)]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(publisher.attempts() <= before + 4);
    assert!(bytes.load(Ordering::Relaxed) <= 32 * 1024 * 1024 + 2 * SIZE);
}

/// A store with one event that is due again and again, and a count of what looks for anything else.
struct BusyStore {
    looks: Arc<AtomicU32>,
    settled: Arc<AtomicU32>,
}

fn the_key() -> EventKey {
    EventKey {
        bucket: Bucket::of("content", "busy"),
        seq: 1,
    }
}

#[async_trait]
impl OutboxStore for BusyStore {
    async fn hold_leases(&self, _: RelayId, _: Duration) -> Result<Tenancy, ServiceError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let leases = Bucket::all().map(|bucket| Lease { bucket, epoch: 1 });
        Ok(Tenancy {
            leases: leases.collect(),
            share: 64,
            ..Tenancy::default()
        })
    }

    async fn release(&self, _: RelayId, _: &[Lease]) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn leave(&self, _: RelayId) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn read(&self, request: ReadRequest<'_>) -> Result<ReadBatch, ServiceError> {
        if request.buckets.len() == 64 {
            self.looks.fetch_add(1, Ordering::Relaxed);
        }
        let mut batch = ReadBatch::default();
        if request.buckets.contains(&the_key().bucket) && request.known.is_empty() {
            batch.due.push(StoredEvent {
                key: the_key(),
                aggregate_type: "content".to_owned(),
                aggregate_id: "busy".to_owned(),
                attempts: 0,
                age: Duration::ZERO,
                event: Ok(event("busy", 1)),
            });
        }
        Ok(batch)
    }

    async fn settle(&self, _: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
        self.settled.fetch_add(1, Ordering::Relaxed);
        Ok(Settled {
            held: outcomes.held.iter().map(|failure| failure.key).collect(),
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
async fn a_relay_that_is_busy_with_one_bucket_polls_the_others_all_the_same() {
    let looks = Arc::new(AtomicU32::new(0));
    let settled = Arc::new(AtomicU32::new(0));
    let store = BusyStore {
        looks: Arc::clone(&looks),
        settled: Arc::clone(&settled),
    };
    let poll = Duration::from_secs(60);
    let second = Duration::from_secs(1);
    let publisher = ScriptedPublisher::new(|_| Act::Fail);
    let relay = OutboxProcessor::new(store, publisher, 100, poll, 100);
    let _relay = relay.backoff(Backoff::new(second, second).unwrap()).start();
    tokio::time::sleep(poll / 2).await;
    looks.store(0, Ordering::Relaxed);
    tokio::time::sleep(poll * 20).await;
    assert!(settled.load(Ordering::Relaxed) > 500);
    let looks = looks.load(Ordering::Relaxed);
    assert!(looks >= 15, "{looks} looks in 20 intervals");
}
