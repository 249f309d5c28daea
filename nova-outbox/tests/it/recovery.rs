use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nova_outbox::{OutboxDatabase, OutboxProcessor};
use sqlx::{Executor, Pool};
use tokio::sync::Notify;

use crate::deceived_store::DeceivedStore;

use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::{PATIENCE, Service};
use crate::stalling_store::StallingStore;

const POLL: Duration = Duration::from_millis(200);

async fn expire_leases<DB: OutboxDatabase>(service: &Service<DB>)
where
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    service.pool.execute(DB::EXPIRE_LEASES).await.unwrap();
}

/// Relays that die in the middle of their work, one after the other: what arrives first is in order, and nothing is lost.
pub(crate) async fn relays_die<DB: OutboxDatabase>(service: &Service<DB>, deaths: u32)
where
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    const AGGREGATES: u32 = 40;
    let publisher = ScriptedPublisher::new(|event| match event.seq % 50 {
        0 if event.attempts == 0 => Act::Fail,
        n => Act::AcknowledgeLate(u32::try_from(n % 4).unwrap()),
    });
    let work = async {
        for round in 0..deaths {
            let events = (0..AGGREGATES).map(|a| {
                [
                    event(&format!("a{a}"), 2 * round),
                    event(&format!("a{a}"), 2 * round + 1),
                ]
            });
            service.enqueue(events.flatten()).await;
            let doomed = publisher.twin();
            let relay = service.relay(doomed.clone()).start();
            doomed.wait_for_attempts(1 + round * 7 % 60).await;
            drop(relay);
            expire_leases(service).await;
        }
        let last = service.relay(publisher.twin()).start();
        service.drained().await;
        last.shutdown(Duration::from_secs(30)).await.unwrap();
    };
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("everything arrives in time");
    let mut ids = HashMap::new();
    for sent in publisher.sent() {
        let known = ids.insert((sent.aggregate, sent.number), sent.id);
        assert!(
            known.is_none_or(|id| id == sent.id),
            "a copy has the same id"
        );
    }
    let in_order: Vec<_> = (0..2 * deaths).collect();
    for numbers in publisher.numbers().values() {
        let mut seen = HashSet::new();
        let first: Vec<_> = numbers
            .iter()
            .copied()
            .filter(|n| seen.insert(*n))
            .collect();
        assert_eq!(first, in_order);
    }
    assert_eq!(
        publisher.numbers().len(),
        usize::try_from(AGGREGATES).unwrap()
    );
}

#[tokio::test]
async fn relays_that_die_lose_and_reorder_nothing() {
    relays_die(&Service::sqlite().await, 20).await;
}

#[tokio::test]
async fn what_a_crash_leaves_unrecorded_is_published_again_with_the_same_id() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::acknowledging();
    let stalled = StallingStore {
        inner: service.repository(),
        stall: Arc::new(AtomicBool::new(true)),
    };
    let relay = service.relay_on(stalled, publisher.clone()).start();
    service.enqueue((0..3).map(|n| event("a", n))).await;
    let before = publisher.wait_for(3).await;
    drop(relay);
    assert_eq!(service.stats().await.pending, 3);

    expire_leases(&service).await;
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    let again = publisher.wait_for(3).await;
    assert_eq!(again, before, "the same events, ids and order");
    service.drained().await;
    assert_eq!(publisher.sent().len(), 3);
}

#[tokio::test]
async fn a_crash_in_flight_loses_nothing() {
    let service = Service::sqlite().await;
    let hanging = ScriptedPublisher::new(|_| Act::Hang);
    let relay = service.relay(hanging.clone()).start();
    service
        .enqueue((0..20).map(|n| event(&format!("a{n}"), n)))
        .await;
    hanging.wait_for_attempts(20).await;
    drop(relay);
    expire_leases(&service).await;
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    assert_eq!(publisher.wait_for(20).await.len(), 20);
    service.drained().await;
}

#[tokio::test]
async fn a_relay_that_has_lost_its_leases_without_knowing_can_do_no_harm_to_the_outbox() {
    let service = Service::sqlite().await;
    let told = Arc::new(Notify::new());
    let late = Arc::clone(&told);
    let zombie = ScriptedPublisher::new(move |_| Act::FailLate(Arc::clone(&late)));
    let store = DeceivedStore::new(service.repository());
    let deceived = store.deceived();
    let settled = store.settled();
    let processor = OutboxProcessor::new(store, zombie.clone(), 100, POLL, 0);
    let old = processor.wake_on(&service.outbox).start();
    service.enqueue([event("a", 0), event("a", 1)]).await;
    zombie.wait_for_attempts(1).await;
    deceived.store(true, Ordering::Relaxed);
    expire_leases(&service).await;

    let held = ScriptedPublisher::new(|_| Act::Hang);
    let new = service.relay(held.clone()).start();
    held.wait_for_attempts(1).await;
    // The old relay would bury the event at its first failure.
    told.notify_one();
    settled.notified().await;
    let stats = service.stats().await;
    assert_eq!((stats.pending, stats.dead, stats.retrying), (2, 0, 0));
    drop((old, new));
}

#[tokio::test]
async fn holds_survive_a_crash_and_keep_their_attempts() {
    let service = Service::sqlite().await;
    let failing = ScriptedPublisher::new(|_| Act::Fail);
    let hour = Duration::from_secs(3600);
    let slow = nova_errors::Backoff::new(hour, hour).unwrap();
    let relay = service.relay(failing).backoff(slow).start();
    service.enqueue((0..3).map(|n| event("a", n))).await;
    service.wait_for(|stats| stats.retrying == 1).await;
    drop(relay);
    expire_leases(&service).await;
    sqlx::query("UPDATE outbox_retries SET hold_until = 0")
        .execute(&service.pool)
        .await
        .unwrap();
    let publisher = ScriptedPublisher::new(|event| {
        let first = event.event.payload().as_ref() == b"0";
        assert_eq!(event.attempts, u32::from(first));
        Act::Acknowledge
    });
    let _relay = service.relay(publisher.clone()).start();
    service.drained().await;
    assert_eq!(publisher.numbers()["a"], [0, 1, 2]);
}

#[tokio::test]
async fn the_buckets_of_a_dead_relay_are_taken_over_when_their_lease_ends() {
    let service = Service::sqlite().await;
    let short = Duration::from_millis(100);
    let hanging = ScriptedPublisher::new(|_| Act::Hang).delivery_timeout(short);
    let dead = service.relay(hanging.clone()).start();
    service.enqueue([event("a", 0)]).await;
    hanging.wait_for_attempts(1).await;
    let publisher = ScriptedPublisher::acknowledging().delivery_timeout(short);
    let _relay = service.relay(publisher.clone()).start();
    drop(dead);
    service.enqueue((1..4).map(|n| event("a", n))).await;
    publisher.wait_for(4).await;
    assert_eq!(publisher.numbers()["a"], [0, 1, 2, 3]);
}
