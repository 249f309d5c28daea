//! Effect and mark in one transaction: on SQLite here, on PostgreSQL with the engines.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nova_errors::{RetryPolicy, ServiceError};
use nova_events::{
    Claim, Event, EventConsumer, EventConsumerBuilder, EventRecord, IdempotencyKey,
    IdempotencyStore, InboxPurge, MemoryIdempotency, Outcome, ReceivedRecord, RecordingPublisher,
    SqlInbox, conformance, migrate_inbox,
};
use nova_service::{BackgroundWorker, Shutdown};
use sqlx::{Pool, Sqlite, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::kafka::{brokers, committed, consumer_at, publisher_at, read, topic, unique};
use crate::ledger::{self, Ledger};
use crate::probe::{Probe, probe, publish, record};

const TOPIC: &str = "nova.test.events";

fn builder() -> EventConsumerBuilder {
    EventConsumer::builder()
        .brokers("127.0.0.1:1")
        .group("group")
        .topics([TOPIC])
        .dead_letters_to(RecordingPublisher::new())
}

fn received(record: EventRecord) -> ReceivedRecord {
    ReceivedRecord::new(record, 3, 14)
}

#[tokio::test]
async fn the_inbox_on_sqlite_keeps_the_rules_of_the_suite() {
    conformance::idempotency_store(&SqlInbox::new(ledger::sqlite().await)).await;
}

#[tokio::test]
async fn the_table_is_made_once() {
    let pool = ledger::sqlite().await;
    migrate_inbox(&pool).await.unwrap();
}

#[tokio::test]
async fn on_sqlite_effect_and_mark_are_one() {
    effect_and_mark_are_one(&ledger::sqlite().await).await;
}

pub(crate) async fn effect_and_mark_are_one<DB: Ledger>(pool: &Pool<DB>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let consumer = builder()
        .on_tx(
            move |event: Event<Probe>, tx: &mut Transaction<'static, DB>| {
                let run = counted.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move {
                    DB::write(tx, &event.payload).await?;
                    match run {
                        0 => Err(ServiceError::Internal("bug".into())),
                        1 => panic!("worse"),
                        _ => Ok(()),
                    }
                })
            },
        )
        .idempotency(SqlInbox::new(pool.clone()))
        .build()
        .unwrap();
    let record = received(record(TOPIC, &probe("a", 1)));
    for _ in 0..2 {
        let outcome = consumer.deliver(record.clone()).await;
        assert_eq!(outcome, Outcome::DeadLettered);
        assert!(DB::read(pool).await.is_empty(), "it is rolled back");
    }
    assert_eq!(consumer.deliver(record.clone()).await, Outcome::Handled);
    assert_eq!(consumer.deliver(record).await, Outcome::Duplicate);
    assert_eq!(DB::read(pool).await, [probe("a", 1)]);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_handler_on_sqlite_that_is_cut_off_leaves_nothing_and_is_run_again() {
    a_handler_that_is_cut_off(&ledger::sqlite().await).await;
}

pub(crate) async fn a_handler_that_is_cut_off<DB: Ledger>(pool: &Pool<DB>) {
    let written = Arc::new(Notify::new());
    let hangs = |hang: bool| {
        let written = Arc::clone(&written);
        builder()
            .on_tx(
                move |event: Event<Probe>, tx: &mut Transaction<'static, DB>| {
                    let written = Arc::clone(&written);
                    Box::pin(async move {
                        DB::write(tx, &event.payload).await?;
                        written.notify_one();
                        if hang {
                            std::future::pending::<()>().await;
                        }
                        Ok(())
                    })
                },
            )
            .idempotency(SqlInbox::new(pool.clone()))
            .build()
            .unwrap()
    };
    let record = received(record(TOPIC, &probe("a", 1)));
    let crashing = hangs(true);
    tokio::select! {
        _ = crashing.deliver(record.clone()) => unreachable!("it hangs"),
        () = written.notified() => {}
    }
    let outcome = hangs(false).deliver(record).await;
    assert_eq!(outcome, Outcome::Handled);
    assert_eq!(DB::read(pool).await, [probe("a", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_on_sqlite_lose_double_and_reorder_nothing_around_an_event_that_fails() {
    batches(brokers(), &topic(2), &ledger::sqlite().await).await;
}

/// 2000 events of 50 keys, one of which always fails, and one that is no event.
pub(crate) async fn batches<DB: Ledger>(brokers: &str, topic: &str, pool: &Pool<DB>) {
    const KEYS: u32 = 50;
    const PER_KEY: u32 = 40;
    let publisher = publisher_at(brokers);
    let key = |key| format!("key-{key}");
    let mut records: Vec<_> = (0..PER_KEY)
        .flat_map(|n| (0..KEYS).map(move |k| probe(&key(k), n)))
        .map(|probe| record(topic, &probe))
        .collect();
    let poison = EventRecord::new(
        topic.parse().unwrap(),
        Some("key-9".into()),
        Some("{".into()),
    )
    .with_header("event_id", Uuid::new_v4().to_string())
    .with_header("event_type", "test.probe")
    .with_header("created_at", "2025-10-28T00:00:00Z");
    records.insert(1000, poison);
    // A doubled publication, too.
    records.push(records[7].clone());
    publish(&publisher, records).await;

    let (calls, largest) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counts = (Arc::clone(&calls), Arc::clone(&largest));
    let group = unique("group");
    let handle = consumer_at(brokers, topic, &group)
        .on_batch(
            move |events: Vec<Event<Probe>>, tx: &mut Transaction<'static, DB>| {
                counts.0.fetch_add(1, Ordering::SeqCst);
                counts.1.fetch_max(events.len(), Ordering::SeqCst);
                Box::pin(async move {
                    for event in &events {
                        DB::write(tx, &event.payload).await?;
                        if event.key == "key-7" && event.number == 20 {
                            return Err(ServiceError::Internal("bug".into()));
                        }
                    }
                    Ok(())
                })
            },
        )
        .idempotency(SqlInbox::new(pool.clone()))
        .retry(RetryPolicy::never())
        .batch_size(200)
        .build()
        .unwrap()
        .start();
    let letters = read(brokers, &format!("{topic}.dlq"), 2).await;
    let expected = (KEYS * PER_KEY - 1) as usize;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while DB::read(pool).await.len() < expected {
        assert!(std::time::Instant::now() < deadline, "some are lost");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    handle.shutdown(Duration::from_secs(30)).await.unwrap();

    let mut codes: Vec<_> = letters
        .iter()
        .map(|raw| &raw.headers["dlq_error_code"])
        .collect();
    codes.sort();
    assert_eq!(codes, ["internal", "validation"]);
    let mut by_key: HashMap<String, Vec<u32>> = HashMap::new();
    for entry in DB::read(pool).await {
        by_key.entry(entry.key).or_default().push(entry.number);
    }
    for (key, numbers) in &by_key {
        let all = (0..PER_KEY).filter(|n| key != "key-7" || *n != 20);
        assert_eq!(*numbers, all.collect::<Vec<_>>(), "{key}");
    }
    assert_eq!(by_key.len(), KEYS as usize);
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls < expected / 4, "{calls} calls are no batches");
    assert!(largest.load(Ordering::SeqCst) <= 200);
    assert!(committed(brokers, topic, &group).await.is_some());
}

#[tokio::test]
async fn an_inbox_forgets_what_is_over_when_it_is_purged_and_no_more() {
    let pool = ledger::sqlite().await;
    let inbox = SqlInbox::new(pool.clone()).retention(Duration::from_secs(1));
    let old = IdempotencyKey::new("group".parse().unwrap(), Uuid::new_v4());
    let Claim::Acquired(claim) = inbox.claim(&old, Duration::from_secs(60)).await.unwrap() else {
        panic!("a new event is free");
    };
    inbox.confirm(&old, claim).await.unwrap();
    let held = IdempotencyKey::new("group".parse().unwrap(), Uuid::new_v4());
    inbox.claim(&held, Duration::from_secs(60)).await.unwrap();

    let purge = InboxPurge::new(inbox).every(Duration::from_millis(10));
    let (trigger, shutdown) = Shutdown::new();
    let run = tokio::spawn(async move { purge.run(shutdown).await });
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let query = "SELECT count(*) FROM inbox_events";
        let left: i64 = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
        if left == 1 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "nothing is forgotten");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    trigger.shutdown();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_in_a_transaction_needs_the_inbox_of_its_database() {
    let with = |method: &str| match method {
        "on_tx" => builder().on_tx(
            |event: Event<Probe>, tx: &mut Transaction<'static, Sqlite>| {
                Box::pin(ledger::write(event, tx))
            },
        ),
        _ => builder().on_batch(
            |_: Vec<Event<Probe>>, _: &mut Transaction<'static, Sqlite>| Box::pin(async { Ok(()) }),
        ),
    };
    let inbox = SqlInbox::new(ledger::sqlite().await);
    for method in ["on_tx", "on_batch"] {
        let without = with(method).build().unwrap_err();
        assert_eq!(without.violations()[0].field, method);
        let other = with(method).idempotency(MemoryIdempotency::default());
        assert_eq!(other.build().unwrap_err().violations()[0].field, method);
        let own = with(method).idempotency(inbox.clone());
        assert!(own.build().is_ok());
        let shared = with(method).idempotency(Arc::new(inbox.clone()));
        assert!(shared.build().is_ok());
    }
    let none = with("on_batch").idempotency(inbox).batch_size(0);
    assert_eq!(
        none.build().unwrap_err().violations()[0].field,
        "batch_size"
    );
}

/// Two members have the same event; the second waits for the first's transaction, on its row.
pub(crate) async fn an_event_in_anothers_transaction_is_waited_for<DB: Ledger>(pool: &Pool<DB>) {
    for first_succeeds in [true, false] {
        let (entered, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let gates = (Arc::clone(&entered), Arc::clone(&finish));
        let first = builder()
            .on_tx(
                move |event: Event<Probe>, tx: &mut Transaction<'static, DB>| {
                    let (entered, finish) = gates.clone();
                    Box::pin(async move {
                        DB::write(tx, &event.payload).await?;
                        entered.notify_one();
                        finish.notified().await;
                        if first_succeeds {
                            Ok(())
                        } else {
                            Err(ServiceError::Internal("bug".into()))
                        }
                    })
                },
            )
            .idempotency(SqlInbox::new(pool.clone()))
            .build()
            .unwrap();
        let second = builder()
            .on_tx(|event: Event<Probe>, tx: &mut Transaction<'static, DB>| {
                Box::pin(ledger::write(event, tx))
            })
            .idempotency(SqlInbox::new(pool.clone()))
            .build()
            .unwrap();
        let before = DB::read(pool).await.len();
        let record = received(record(TOPIC, &probe("a", 1)));
        let copy = record.clone();
        let first = tokio::spawn(async move { first.deliver(copy).await });
        entered.notified().await;
        let second = tokio::spawn(async move { second.deliver(record).await });
        // Long enough for a second that does not wait to be through.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!second.is_finished(), "it is neither skipped nor run twice");
        finish.notify_one();
        let outcomes = (first.await.unwrap(), second.await.unwrap());
        if first_succeeds {
            assert_eq!(outcomes, (Outcome::Handled, Outcome::Duplicate));
        } else {
            assert_eq!(outcomes, (Outcome::DeadLettered, Outcome::Handled));
        }
        assert_eq!(DB::read(pool).await.len(), before + 1);
    }
}

/// A handler that overlooks a failed statement must not count as done: the database has given up its transaction.
pub(crate) async fn a_transaction_that_failed_is_no_success<DB: Ledger>(pool: &Pool<DB>) {
    let consumer = builder()
        .on_tx(|event: Event<Probe>, tx: &mut Transaction<'static, DB>| {
            Box::pin(async move {
                DB::write(tx, &event.payload).await?;
                DB::fail(tx).await;
                Ok(())
            })
        })
        .idempotency(SqlInbox::new(pool.clone()))
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    let record = received(record(TOPIC, &probe("a", 1)));
    let outcome = consumer.deliver(record).await;
    assert_eq!(outcome, Outcome::DeadLettered);
    assert!(DB::read(pool).await.is_empty());
}
