//! On real PostgreSQL, PgBouncer and Apache Kafka: their addresses are in `DATABASE_URL`, `PGBOUNCER_URL` and `KAFKA_BROKERS`.

mod counters;
mod enqueue;
mod floors;
mod notifications;
mod pgbouncer;

use std::time::Duration;

use nova_events::KafkaPublisher;
use nova_outbox::conformance::{SqlOutbox, outbox_store};
use nova_outbox::{Bucket, KafkaOutboxPublisher, OutboxProcessor, migrate};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Postgres};
use uuid::Uuid;

use crate::kafka::receive;
use crate::migration::EVENT_COLUMNS;
use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::{PATIENCE, Service};
use crate::{crash_points, order, ownership, recovery, schedule};

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask engines up`"))
}

/// A pool on a schema of its own.
async fn scratch() -> PgPool {
    pool(scratch_options().await, 6).await
}

async fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .connect_with(options)
        .await
        .unwrap()
}

/// The way to a schema of its own.
async fn scratch_options() -> PgConnectOptions {
    let url = setting("DATABASE_URL");
    let schema = format!("outbox_{}", Uuid::new_v4().simple());
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let options: PgConnectOptions = url.parse().unwrap();
    options.options([("search_path", schema)])
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn postgres_does_what_a_store_must() {
    outbox_store(async || SqlOutbox::new(scratch().await).await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn processes_that_start_at_once_make_the_tables_once() {
    let pool = scratch().await;
    let made = futures::future::join_all((0..5).map(|_| migrate(&pool))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn the_columns_on_postgres_are_those_of_the_contract() {
    let pool = scratch().await;
    migrate(&pool).await.unwrap();
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.columns
        WHERE table_name = 'outbox_events' AND table_schema = current_schema() ORDER BY ordinal_position",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(columns, EVENT_COLUMNS);
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn two_relays_on_postgres_publish_each_event_once_and_in_order() {
    ownership::two_relays_share(&Service::on(scratch().await).await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn buckets_on_postgres_change_hands_without_a_gap_or_a_double() {
    ownership::relays_come_and_go(&Service::on(scratch().await).await, 16).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn relays_on_postgres_that_die_lose_and_reorder_nothing() {
    recovery::relays_die(&Service::on(scratch().await).await, 40).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_too_order_holds_whatever_fails() {
    for seed in 0..4 {
        let service = Service::on(scratch().await).await;
        order::random_failures(&service, seed, 15, 10, 20).await;
    }
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_relay_on_postgres_that_dies_at_any_await_loses_and_reorders_nothing() {
    crash_points::at_every_await(async || Service::on(scratch().await).await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn several_relays_on_postgres_move_each_scheduled_event_once_and_in_order() {
    schedule::several_relays_move_each_event_once(&Service::on(scratch().await).await).await;
}

/// Numbers are taken in one order and committed in another: what commits late has lower numbers than what was read before.
#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn an_event_that_is_committed_late_goes_before_the_next_of_its_aggregate() {
    let service = Service::on(scratch().await).await;
    let bucket = Bucket::of("content", "late");
    let mut others = (0..)
        .map(|n| format!("other-{n}"))
        .filter(|id| Bucket::of("content", id) == bucket);
    let publisher = ScriptedPublisher::new(|event| {
        if event.event.aggregate_id() == "late" {
            Act::Acknowledge
        } else {
            Act::Hang
        }
    });
    let _relay = service.relay(publisher.clone()).start();
    let mut tx = service.pool.begin().await.unwrap();
    service
        .outbox
        .enqueue(&mut tx, event("late", 0))
        .await
        .unwrap();
    // In the same bucket, with a higher number, read and on its way.
    service.enqueue([event(&others.next().unwrap(), 0)]).await;
    publisher.wait_for_attempts(1).await;
    // No signal tells of this commit; the one of the next event does.
    tx.commit().await.unwrap();
    service.enqueue([event("late", 1)]).await;
    publisher.wait_for(2).await;
    assert_eq!(publisher.numbers()["late"], [0, 1]);
}

/// A pooler in transaction mode hands the connection to another client after each transaction.
#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn no_statement_is_prepared_and_nothing_outlives_its_transaction() {
    let service = Service::on(scratch().await).await;
    let publisher = ScriptedPublisher::new(|event| {
        if event.event.aggregate_id() == "bad" {
            Act::Fail
        } else {
            Act::Acknowledge
        }
    });
    let relay = service.relay(publisher.clone()).start();
    service.enqueue([event("a", 1), event("bad", 1)]).await;
    service.enqueue([event("a", 2)]).await;
    service.drained().await;
    relay.shutdown(Duration::from_secs(30)).await.unwrap();
    let mut connections = Vec::new();
    while let Some(connection) = service.pool.try_acquire() {
        connections.push(connection);
    }
    assert!(!connections.is_empty());
    for connection in &mut connections {
        let left = "SELECT (SELECT count(*) FROM pg_prepared_statements)
            + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
        let left: i64 = sqlx::query_scalar(left)
            .persistent(false)
            .fetch_one(&mut **connection)
            .await
            .unwrap();
        // The unnamed statement is not listed.
        assert_eq!(left, 0);
    }
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_deep_backlog_is_drained_in_order() {
    order::deep_backlog(&Service::on(scratch().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn writers_and_two_relays_on_postgres_and_kafka_lose_and_reorder_nothing() {
    const WRITERS: u32 = 4;
    const ROUNDS: u32 = 100;
    let brokers = setting("KAFKA_BROKERS");
    let prefix = format!("outbox-{}", Uuid::new_v4().simple());
    let topic = format!("{prefix}.content.events");
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    admin
        .create_topics(
            &[NewTopic::new(&topic, 6, TopicReplication::Fixed(1))],
            &AdminOptions::new(),
        )
        .await
        .unwrap()[0]
        .as_ref()
        .unwrap();

    let service = Service::<Postgres>::on(scratch().await).await;
    let start = || {
        let producer = KafkaPublisher::builder().brokers(&brokers).build().unwrap();
        let publisher = KafkaOutboxPublisher::new(producer, &prefix);
        OutboxProcessor::new(
            service.repository(),
            publisher,
            100,
            Duration::from_millis(500),
            5,
        )
        .wake_on(&service.outbox)
        .start()
    };
    let relays = [start(), start()];
    let writers = (0..WRITERS).map(|writer| {
        let service = &service;
        async move {
            for round in 0..ROUNDS {
                let mut tx = service.pool.begin().await.unwrap();
                let events = (0..5).map(|a| event(&format!("w{writer}-{a}"), round));
                service.outbox.enqueue_all(&mut tx, events).await.unwrap();
                if round % 10 == 3 {
                    // It was never there.
                    let ghost = event(&format!("w{writer}-0"), 1_000_000);
                    let mut undone = service.pool.begin().await.unwrap();
                    service.outbox.enqueue(&mut undone, ghost).await.unwrap();
                    undone.rollback().await.unwrap();
                }
                if round % 2 == 0 {
                    service.outbox.commit(tx).await.unwrap();
                } else {
                    tx.commit().await.unwrap();
                }
            }
        }
    });
    tokio::time::timeout(PATIENCE, futures::future::join_all(writers))
        .await
        .unwrap();
    service.drained().await;
    for relay in &relays {
        relay.shutdown(Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(service.stats().await.dead, 0);

    let all = usize::try_from(WRITERS * 5 * ROUNDS).unwrap();
    let received = tokio::task::spawn_blocking(move || receive(&brokers, &topic, 6, all))
        .await
        .unwrap();
    for writer in 0..WRITERS {
        for aggregate in 0..5 {
            let key = format!("w{writer}-{aggregate}");
            let of_key = received.iter().filter(|record| record.key == key);
            let numbers: Vec<u32> = of_key.map(|record| record.value.parse().unwrap()).collect();
            assert_eq!(numbers, (0..ROUNDS).collect::<Vec<_>>(), "{key}");
        }
    }
}
