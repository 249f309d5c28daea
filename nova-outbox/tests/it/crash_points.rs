//! A relay that dies at every point where it waits for something.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::Utc;
use nova_errors::Backoff;
use nova_outbox::{OutboxDatabase, OutboxProcessor, OutboxPublisher, OutboxStore};
use sqlx::{Executor, Pool};

use crate::crash_store::{CrashPoint, CrashPublisher, CrashStore, Moment};
use crate::sample::{event, number};
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::{PATIENCE, Service};

const AGGREGATES: [&str; 5] = ["a", "b", "flaky", "poison", "later"];
const EVENTS: u32 = 3;

/// How many relays live and die at once.
const AT_ONCE: usize = 8;

/// Every call at which a relay waits for its database or for the broker.
const CALLS: [&str; 8] = [
    "hold_leases",
    "release",
    "leave",
    "read",
    "settle",
    "move_due",
    "stats",
    "publish",
];

/// Dies before and after each call: at the first time that it is made, the second, and so on until a relay gets through all of
/// them; checks after each death that another relay makes it good.
pub(crate) async fn at_every_await<DB>(make: impl AsyncFn() -> Service<DB>)
where
    DB: OutboxDatabase,
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    for call in CALLS {
        for moment in [Moment::Before, Moment::After] {
            for first in (0..).step_by(AT_ONCE) {
                let lives = (first..).take(AT_ONCE).map(|nth| {
                    let make = &make;
                    async move {
                        let point = CrashPoint::new(moment, call, nth);
                        let service = make().await;
                        let one = tokio::time::timeout(PATIENCE, dies_at(&service, &point));
                        one.await
                            .unwrap_or_else(|_| panic!("recovers from {point}"));
                        point.has_crashed()
                    }
                });
                let died = futures::future::join_all(lives).await;
                assert!(first > 0 || died[0], "{call} is made");
                if died.contains(&false) {
                    break;
                }
            }
        }
    }
}

/// Runs a relay that dies at the point, if its life leads there, and one after it.
async fn dies_at<DB: OutboxDatabase>(service: &Service<DB>, point: &CrashPoint)
where
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    let publisher =
        ScriptedPublisher::new(
            |event| match (event.event.aggregate_id(), number(&event.event)) {
                ("flaky", 1) if event.attempts == 0 => Act::Fail,
                ("poison", 1) => Act::Fail,
                _ => Act::AcknowledgeLate(1),
            },
        );
    enqueue(service).await;
    let store = CrashStore {
        inner: service.repository(),
        point: point.clone(),
    };
    let doomed = CrashPublisher {
        inner: publisher.twin(),
        point: point.clone(),
    };
    let relay = relay(service, store, doomed).start();
    let life = async {
        finished(service).await;
        // Another one comes, and gets its share; then the first leaves.
        let other = self::relay(service, service.repository(), publisher.twin()).start();
        let owners = "SELECT DISTINCT owner FROM outbox_leases WHERE owner IS NOT NULL";
        while service.pool.fetch_all(owners).await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        relay.shutdown(PATIENCE).await.unwrap();
        other.shutdown(PATIENCE).await.unwrap();
    };
    tokio::select! {
        () = point.crashed() => {}
        () = life => {}
    }
    drop(relay);
    service.pool.execute(DB::EXPIRE_LEASES).await.unwrap();
    let heir = self::relay(service, service.repository(), publisher.twin()).start();
    finished(service).await;
    heir.shutdown(PATIENCE).await.unwrap();
    check(&publisher, point);
    assert_eq!(service.stats().await.dead, 1);
}

fn relay<DB: OutboxDatabase>(
    service: &Service<DB>,
    store: impl OutboxStore,
    publisher: impl OutboxPublisher,
) -> OutboxProcessor {
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(2)).unwrap();
    OutboxProcessor::new(store, publisher, 8, Duration::from_millis(300), 1)
        .wake_on(&service.outbox)
        .backoff(backoff)
}

async fn enqueue<DB: OutboxDatabase>(service: &Service<DB>) {
    let mut tx = service.pool.begin().await.unwrap();
    for n in 0..EVENTS {
        let events = AGGREGATES[..4].iter().map(|id| event(id, n));
        service.outbox.enqueue_all(&mut tx, events).await.unwrap();
        let when = Utc::now();
        let scheduled = service.outbox.enqueue_at(&mut tx, event("later", n), when);
        scheduled.await.unwrap();
    }
    service.outbox.commit(tx).await.unwrap();
}

/// Waits until nothing is left, neither in the outbox nor of what was scheduled.
async fn finished<DB: OutboxDatabase>(service: &Service<DB>)
where
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    loop {
        let scheduled = service
            .pool
            .fetch_all("SELECT id FROM outbox_scheduled")
            .await
            .unwrap();
        // In this order: what is moved is never in neither.
        let stats = service.stats().await;
        if scheduled.is_empty() && stats.pending == 0 && stats.retrying == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn check(publisher: &ScriptedPublisher, point: &CrashPoint) {
    let mut ids = HashMap::new();
    for sent in publisher.sent() {
        let known = ids.insert((sent.aggregate, sent.number), sent.id);
        assert!(
            known.is_none_or(|id| id == sent.id),
            "{point}: a copy has another id"
        );
    }
    let numbers = publisher.numbers();
    for id in AGGREGATES {
        let mut seen = HashSet::new();
        let mut first = numbers[id].clone();
        first.retain(|n| seen.insert(*n));
        let expected = if id == "poison" {
            vec![0, 2]
        } else {
            vec![0, 1, 2]
        };
        assert_eq!(first, expected, "{point}: {id}");
    }
}

#[tokio::test]
async fn a_relay_that_dies_at_any_await_loses_and_reorders_nothing() {
    at_every_await(Service::sqlite).await;
}
