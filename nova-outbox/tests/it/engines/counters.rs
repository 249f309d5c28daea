use std::time::Duration;

use nova_outbox::{Outbox, OutboxProcessor};
use sqlx::postgres::PgSslMode;
use sqlx::{PgPool, Postgres};

use super::{pool, scratch_options};
use crate::counting_proxy::CountingProxy;
use crate::sample::event;
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::Service;

/// The rows of `outbox_events` that were inserted, updated and deleted so far, once `inserted` are known.
async fn tuples(pool: &PgPool, inserted: i64) -> (i64, i64, i64) {
    let wait = async {
        loop {
            let tuples: (i64, i64, i64) = sqlx::query_as(
                "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
                WHERE relname = 'outbox_events' AND schemaname = current_schema()",
            )
            .fetch_one(pool)
            .await
            .unwrap();
            if tuples.0 >= inserted && tuples.2 >= inserted {
                return tuples;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::service::PATIENCE, wait)
        .await
        .expect("the statistics are there in time")
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn an_enqueue_is_one_statement_and_an_event_row_is_inserted_and_deleted_and_never_updated() {
    const EVENTS: u32 = 4_000;
    let options = scratch_options().await;
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = CountingProxy::start(server).await;
    let through = options
        .clone()
        .host("127.0.0.1")
        .port(proxy.port())
        .ssl_mode(PgSslMode::Disable);
    let service = Service::<Postgres>::on(pool(through, 4).await).await;
    let locking = Outbox::<Postgres>::builder("content-service")
        .lock_aggregates(true)
        .build()
        .unwrap();
    proxy.take();

    let mut tx = service.pool.begin().await.unwrap();
    for (number, outbox) in [(0, &service.outbox), (1, &locking)] {
        outbox.enqueue(&mut tx, event("a", number)).await.unwrap();
        assert_eq!(proxy.take(), 1, "enqueue");
        let events = (0..99).map(|n| event(&format!("a{n}"), number));
        outbox.enqueue_all(&mut tx, events).await.unwrap();
        assert_eq!(proxy.take(), 1, "enqueue_all");
    }
    let now = chrono::Utc::now();
    let scheduled = service.outbox.enqueue_at(&mut tx, event("b", 0), now);
    let id = scheduled.await.unwrap();
    assert_eq!(proxy.take(), 1, "enqueue_at");
    assert!(service.outbox.cancel(&mut tx, id).await.unwrap());
    assert_eq!(proxy.take(), 1, "cancel");
    service.outbox.commit(tx).await.unwrap();

    for round in 0..(EVENTS - 200) / 200 {
        let events = (0..200).map(|a| event(&format!("c{a}"), round));
        service.enqueue(events).await;
    }
    proxy.take();
    let publisher = ScriptedPublisher::acknowledging();
    let poll = Duration::from_secs(60);
    let relay = OutboxProcessor::new(service.repository(), publisher.clone(), 100, poll, 3);
    let relay = relay.wake_on(&service.outbox).start();
    publisher.wait_for(usize::try_from(EVENTS).unwrap()).await;
    relay.shutdown(Duration::from_secs(30)).await.unwrap();
    let statements = proxy.take();
    assert!(
        statements * 20 <= EVENTS,
        "{statements} statements of the relay for {EVENTS} events"
    );
    let direct = pool(options, 1).await;
    // The sessions that counted end, and hand their counts in.
    service.pool.close().await;
    let events = i64::from(EVENTS);
    assert_eq!(tuples(&direct, events).await, (events, 0, events));
}
