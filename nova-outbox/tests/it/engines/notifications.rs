use std::time::Duration;

use nova_outbox::{Outbox, OutboxProcessor, PostgresListener, PostgresNotifier};
use nova_service::{BackgroundWorker, Shutdown};
use sqlx::Postgres;

use super::{pool, scratch_options};
use crate::sample::event;
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::{PATIENCE, Service};

/// One process enqueues and notifies, another listens and relays; polling would find nothing in time.
#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_commit_in_one_process_wakes_the_relay_of_another_and_so_it_does_after_a_lost_connection()
{
    let options = scratch_options().await;
    let writer = Service::<Postgres>::on(pool(options.clone(), 4).await).await;
    let elsewhere = Outbox::<Postgres>::builder("relay").build().unwrap();
    let (trigger, shutdown) = Shutdown::new();
    let direct = pool(options, 1).await;
    let notifier = PostgresNotifier::new(writer.pool.clone(), &writer.outbox);
    let listener = std::sync::Arc::new(PostgresListener::new(direct, &elsewhere));
    let publisher = ScriptedPublisher::acknowledging();
    let poll = Duration::from_secs(60);
    let relay = OutboxProcessor::new(writer.repository(), publisher.clone(), 100, poll, 3);
    let _relay = relay.wake_on(&elsewhere).start();

    assert!(listener.health_check().await.is_err());
    let notifies = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { notifier.run(shutdown).await })
    };
    let listens = {
        let (listener, shutdown) = (listener.clone(), shutdown.clone());
        tokio::spawn(async move { listener.run(shutdown).await })
    };
    let listening = async {
        while listener.health_check().await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.unwrap();
    for number in 0..20 {
        writer.enqueue([event("a", number)]).await;
        publisher
            .wait_for(usize::try_from(number).unwrap() + 1)
            .await;
    }
    // What is committed while nobody listens is found when somebody does again.
    let killed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'
            AND pid <> pg_backend_pid()",
    )
    .fetch_one(&writer.pool)
    .await
    .unwrap();
    assert!(killed >= 1);
    for number in 20..25 {
        writer.enqueue([event("a", number)]).await;
        publisher
            .wait_for(usize::try_from(number).unwrap() + 1)
            .await;
    }
    trigger.shutdown();
    notifies.await.unwrap().unwrap();
    listens.await.unwrap().unwrap();
    assert!(listener.health_check().await.is_err());
}
