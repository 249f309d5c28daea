use std::collections::BTreeMap;
use std::time::Duration;

use nova_errors::ErrorKind;
use nova_events::NewEvent;
use nova_outbox::Outbox;
use sqlx::Postgres;
use tokio::sync::oneshot;

use super::scratch;
use crate::sample::event;
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::Service;

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn what_is_refused_leaves_the_transaction_usable() {
    let service = Service::on(scratch().await).await;
    let mut tx = service.pool.begin().await.unwrap();
    let mut parts = event("a", 1).into_parts();
    parts.payload = vec![b' '; 900 * 1024 + 1].into();
    let large = NewEvent::from_parts(parts).unwrap();
    let error = service.outbox.enqueue(&mut tx, large).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
    let never = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    let refused = service.outbox.enqueue_at(&mut tx, event("a", 1), never);
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Validation);
    let enqueued = service.outbox.enqueue(&mut tx, event("a", 2)).await;
    enqueued.unwrap();
    service.outbox.commit(tx).await.unwrap();
    assert_eq!(service.stats().await.pending, 1);
}

/// Writers that lock nothing themselves: the second waits for the first, whatever the order of their commits would have been.
#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn the_lock_of_an_aggregate_makes_its_writers_wait_for_each_other() {
    let mut service = Service::<Postgres>::on(scratch().await).await;
    service.outbox = Outbox::builder("content-service")
        .lock_aggregates(true)
        .build()
        .unwrap();
    let mut first = service.pool.begin().await.unwrap();
    let enqueued = service.outbox.enqueue(&mut first, event("a", 0)).await;
    enqueued.unwrap();
    let (waits, waiting) = oneshot::channel();
    let (pool, outbox) = (service.pool.clone(), service.outbox.clone());
    let second = tokio::spawn(async move {
        let mut tx = pool.begin().await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .persistent(false)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        waits.send(pid).unwrap();
        let events = [event("b", 0), event("a", 1)];
        outbox.enqueue_all(&mut tx, events).await.unwrap();
        outbox.commit(tx).await.unwrap();
    });
    let pid = waiting.await.unwrap();
    let blocked = async {
        let sql = "SELECT cardinality(pg_blocking_pids($1)) > 0";
        while !sqlx::query_scalar::<_, bool>(sql)
            .bind(pid)
            .fetch_one(&service.pool)
            .await
            .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(crate::service::PATIENCE, blocked)
        .await
        .expect("the second waits for the first");
    // Another aggregate does not wait.
    service.enqueue([event("c", 0)]).await;
    service.outbox.commit(first).await.unwrap();
    second.await.unwrap();
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    let sent = publisher.wait_for(4).await;
    let mut seqs = BTreeMap::new();
    for sent in sent {
        seqs.insert((sent.aggregate, sent.number), sent.seq);
    }
    let seq = |id: &str, number| seqs[&(id.to_owned(), number)];
    assert!(seq("a", 0) < seq("a", 1), "the number comes after the lock");
    assert!(seq("c", 0) < seq("b", 0));
}
