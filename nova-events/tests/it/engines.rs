//! The same on a real Kafka.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nova_events::{Event, MemoryIdempotency, RedisIdempotency, SqlInbox, conformance, murmur2};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::eventually::eventually;
use crate::kafka::{committed, consumer_at, publisher_at, read};
use crate::probe::{Probe, probe, publish, record};
use crate::{assignment, faults, inbox, ledger};

const PATIENCE: Duration = Duration::from_secs(30);

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask engines up`"))
}

fn brokers() -> String {
    setting("KAFKA_BROKERS")
}

/// A pool on a schema of its own, with the inbox and a ledger.
async fn postgres() -> PgPool {
    scratch().await.1
}

/// The same, and the URL that leads to it.
async fn scratch() -> (String, PgPool) {
    let url = setting("DATABASE_URL");
    let schema = format!("inbox_{}", Uuid::new_v4().simple());
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options[search_path]={schema}");
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect(&url)
        .await
        .unwrap();
    ledger::prepare_postgres(&pool).await;
    (url, pool)
}

/// Creates a topic and its dead letters'.
async fn topics(brokers: &str, partitions: i32) -> String {
    let name = format!("nova-events-test-{}", Uuid::new_v4());
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    let dead_letters = format!("{name}.dlq");
    let topic = |name| NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let created = admin
        .create_topics(&[topic(&name), topic(&dead_letters)], &AdminOptions::new())
        .await
        .unwrap();
    for result in created {
        result.unwrap();
    }
    name
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn records_lie_on_the_partitions_of_every_client_with_their_headers() {
    let brokers = brokers();
    let topic = topics(&brokers, 6).await;
    let publisher = publisher_at(&brokers);
    let records = (0..100).map(|n| record(&topic, &probe(&format!("key-{n}"), n)));
    publish(&publisher, records).await;
    for raw in read(&brokers, &topic, 100).await {
        let key = raw.key.unwrap();
        assert_eq!(raw.partition, (murmur2(&key) & 0x7fff_ffff) % 6);
        assert_eq!(raw.headers["event_type"], "test.probe");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn partitions_that_move_between_members_lose_nothing_and_keep_each_key_in_order() {
    let brokers = brokers();
    let topic = topics(&brokers, 4).await;
    assignment::check(&brokers, &topic, &format!("{topic}-group"), 6).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_group_handles_each_event_once_in_order_over_a_crash() {
    let brokers = brokers();
    let topic = topics(&brokers, 1).await;
    let group = format!("{topic}-group");
    let publisher = publisher_at(&brokers);
    let records = (0..300).map(|n| record(&topic, &probe(&format!("key-{}", n % 10), n)));
    publish(&publisher, records).await;

    let store = MemoryIdempotency::default();
    let effects: Arc<Mutex<HashMap<String, Vec<u32>>>> = Arc::default();
    let count = |effects: &Mutex<HashMap<String, Vec<u32>>>| {
        effects
            .lock()
            .unwrap()
            .values()
            .map(Vec::len)
            .sum::<usize>()
    };
    let start = |stuck: bool| {
        let effects = Arc::clone(&effects);
        let consumer = consumer_at(&brokers, &topic, &group)
            .on(move |event: Event<Probe>| {
                let effects = Arc::clone(&effects);
                async move {
                    if stuck && event.key == "key-3" {
                        return std::future::pending().await;
                    }
                    let mut effects = effects.lock().unwrap();
                    let of_key = effects.entry(event.key.clone()).or_default();
                    of_key.push(event.number);
                    Ok(())
                }
            })
            .idempotency(store.clone())
            .build()
            .unwrap();
        consumer.start()
    };
    let crashing = start(true);
    eventually("the other keys are handled", || count(&effects) == 270).await;
    drop(crashing);
    let handle = start(false);
    eventually("all are handled", || count(&effects) == 300).await;
    handle.shutdown(PATIENCE).await.unwrap();
    for (key, numbers) in effects.lock().unwrap().iter() {
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
    assert_eq!(committed(&brokers, &topic, &group).await, Some(300));
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn the_store_in_redis_keeps_the_rules_of_the_suite() {
    let store = RedisIdempotency::connect(&setting("REDIS_URL"))
        .await
        .unwrap();
    let store = store.prefix(&format!("test-{}", Uuid::new_v4().simple()));
    conformance::idempotency_store(&store).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn the_inbox_on_postgres_keeps_the_rules_of_the_suite() {
    conformance::idempotency_store(&SqlInbox::new(postgres().await)).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_effect_and_mark_are_one() {
    inbox::effect_and_mark_are_one(&postgres().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_handler_on_postgres_that_is_cut_off_leaves_nothing_and_is_run_again() {
    inbox::a_handler_that_is_cut_off(&postgres().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_an_event_in_anothers_transaction_is_waited_for() {
    inbox::an_event_in_anothers_transaction_is_waited_for(&postgres().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_transaction_that_failed_is_no_success() {
    inbox::a_transaction_that_failed_is_no_success(&postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn batches_on_postgres_lose_double_and_reorder_nothing_around_an_event_that_fails() {
    let brokers = brokers();
    let topic = topics(&brokers, 2).await;
    inbox::batches(&brokers, &topic, &postgres().await).await;
}

fn broker(up: bool) {
    let action = if up { "up" } else { "down" };
    let status = Command::new(setting("NOVA_XTASK"))
        .args(["engines", action, "kafka"])
        .status()
        .unwrap();
    assert!(status.success(), "engines {action} kafka");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn nothing_is_lost_doubled_inverted_or_committed_too_early_through_kills_and_a_restart() {
    let brokers = brokers();
    let topic = topics(&brokers, 4).await;
    let (url, pool) = scratch().await;
    let done = faults::with_kills(&brokers, &topic, (&url, &pool), &broker).await;
    assert_eq!(done.violations, Vec::<String>::new(), "{done:?}");
    assert!(done.kills == 8 && done.poison > 0, "{done:?}");
}
