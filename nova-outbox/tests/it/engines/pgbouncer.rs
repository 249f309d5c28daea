use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::Utc;
use nova_outbox::PostgresNotifier;
use nova_service::{BackgroundWorker, Shutdown};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgPool, Postgres};
use uuid::Uuid;

use super::{pool, setting};
use crate::observed_store::ObservedStore;
use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::{PATIENCE, Service};

/// The way through the pooler to a database of its own: it takes no search path from a client.
async fn scratch_database() -> PgConnectOptions {
    let name = format!("outbox_{}", Uuid::new_v4().simple());
    let direct = PgPool::connect(&setting("DATABASE_URL")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&direct)
        .await
        .unwrap();
    direct.close().await;
    let options: PgConnectOptions = setting("PGBOUNCER_URL").parse().unwrap();
    options.database(&name)
}

/// In transaction mode each transaction may be on another connection, which others have used before: tables, enqueues, schedules,
/// locks, notifications and a relay.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_thousand_enqueues_and_a_relay_through_pgbouncer_without_a_failed_query() {
    const WRITERS: u32 = 8;
    const ROUNDS: u32 = 125;
    // More clients than the pooler has connections to the server.
    let service = Service::<Postgres>::on(pool(scratch_database().await, 12).await).await;
    let store = ObservedStore::new(service.repository());
    let failures = store.failures();
    let publisher = ScriptedPublisher::new(|event| match event.seq % 50 {
        0 if event.attempts == 0 => Act::Fail,
        _ => Act::Acknowledge,
    });
    let relay = service.relay_on(store, publisher.clone()).start();
    let (trigger, shutdown) = Shutdown::new();
    let notifier = PostgresNotifier::new(service.pool.clone(), &service.outbox);
    let notifies = tokio::spawn(async move { notifier.run(shutdown).await });
    let writers = (0..WRITERS).map(|writer| {
        let service = &service;
        async move {
            for round in 0..ROUNDS {
                let mut tx = service.pool.begin().await.unwrap();
                let event = event(&format!("w{writer}"), round);
                if round % 25 == 24 {
                    // The last of a run, so that it is in its place whenever it is moved.
                    let scheduled = service.outbox.enqueue_at(&mut tx, event, Utc::now());
                    scheduled.await.unwrap();
                } else {
                    service.outbox.enqueue(&mut tx, event).await.unwrap();
                }
                service.outbox.commit(tx).await.unwrap();
            }
        }
    });
    tokio::time::timeout(PATIENCE, futures::future::join_all(writers))
        .await
        .unwrap();
    let all = usize::try_from(WRITERS * ROUNDS).unwrap();
    publisher.wait_for(all).await;
    service.drained().await;
    relay.shutdown(Duration::from_secs(30)).await.unwrap();
    trigger.shutdown();
    notifies.await.unwrap().unwrap();
    assert_eq!(failures.load(Ordering::Relaxed), 0);
    assert_eq!(publisher.sent().len(), all);
    for numbers in publisher.numbers().values() {
        let enqueued = numbers.iter().filter(|number| **number % 25 != 24);
        assert!(enqueued.is_sorted(), "{numbers:?}");
        assert_eq!(numbers.len(), usize::try_from(ROUNDS).unwrap());
    }
}
