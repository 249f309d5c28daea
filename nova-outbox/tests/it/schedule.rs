use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nova_errors::ErrorKind;
use nova_outbox::{OutboxDatabase, OutboxProcessor};

use crate::sample::event;
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::Service;

const LONG: Duration = Duration::from_secs(30);

async fn schedule<DB: OutboxDatabase>(
    service: &Service<DB>,
    id: &str,
    number: u32,
    when: DateTime<Utc>,
) -> uuid::Uuid {
    let mut tx = service.pool.begin().await.unwrap();
    let event = event(id, number);
    let id = service.outbox.enqueue_at(&mut tx, event, when).await;
    service.outbox.commit(tx).await.unwrap();
    id.unwrap()
}

/// Many scheduled events and several relays: each event goes out once, and those of an aggregate by their times.
pub(crate) async fn several_relays_move_each_event_once<DB: OutboxDatabase>(service: &Service<DB>) {
    let publisher = ScriptedPublisher::acknowledging();
    let relays = [0; 3].map(|_| service.relay(publisher.twin()).start());
    let now = Utc::now();
    let mut tx = service.pool.begin().await.unwrap();
    for aggregate in 0..40 {
        // Not in the order of their times.
        for number in [2, 0, 3, 1] {
            let id = format!("a{aggregate}");
            let when = now + TimeDelta::milliseconds(i64::from(number) * 100);
            let event = event(&id, number);
            let scheduled = service.outbox.enqueue_at(&mut tx, event, when).await;
            scheduled.unwrap();
        }
    }
    service.outbox.commit(tx).await.unwrap();
    let sent = publisher.wait_for(160).await;
    for relay in &relays {
        relay.shutdown(LONG).await.unwrap();
    }
    let ids: HashSet<_> = sent.iter().map(|sent| sent.id).collect();
    assert_eq!((ids.len(), publisher.sent().len()), (160, 160));
    let numbers = publisher.numbers();
    assert!(numbers.values().all(|numbers| *numbers == [0, 1, 2, 3]));
    assert_eq!(service.stats().await.pending, 0);
}

#[tokio::test]
async fn several_relays_move_each_scheduled_event_once_and_in_order() {
    several_relays_move_each_event_once(&Service::sqlite().await).await;
}

#[tokio::test]
async fn a_scheduled_event_waits_for_its_time_and_a_woken_relay_is_not_late() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::acknowledging();
    // Polling finds nothing before the test gives up.
    let poll = Duration::from_secs(60);
    let relay = OutboxProcessor::new(service.repository(), publisher.clone(), 100, poll, 3);
    let _relay = relay.wake_on(&service.outbox).start();
    service.enqueue([event("a", 0)]).await;
    publisher.wait_for(1).await;
    let when = Utc::now() + TimeDelta::milliseconds(300);
    let id = schedule(&service, "a", 1, when).await;
    schedule(&service, "a", 2, Utc::now() + TimeDelta::hours(1)).await;
    service.enqueue([event("b", 0)]).await;
    let sent = publisher.wait_for(3).await;
    assert_eq!(sent[2].id, id, "what was enqueued meanwhile went first");
    assert!(Utc::now() >= when);
}

#[tokio::test]
async fn what_is_scheduled_and_committed_without_a_signal_is_found_too() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    let mut tx = service.pool.begin().await.unwrap();
    let event = event("a", 0);
    let scheduled = service.outbox.enqueue_at(&mut tx, event, Utc::now()).await;
    scheduled.unwrap();
    tx.commit().await.unwrap();
    publisher.wait_for(1).await;
}

#[tokio::test]
async fn what_is_cancelled_or_rolled_back_never_goes_out() {
    let service = Service::sqlite().await;
    let soon = Utc::now() + TimeDelta::milliseconds(200);
    let cancelled = schedule(&service, "a", 0, soon).await;
    let kept = schedule(&service, "a", 1, soon).await;
    let mut tx = service.pool.begin().await.unwrap();
    assert!(service.outbox.cancel(&mut tx, cancelled).await.unwrap());
    service.outbox.commit(tx).await.unwrap();
    let mut tx = service.pool.begin().await.unwrap();
    assert!(service.outbox.cancel(&mut tx, kept).await.unwrap());
    let undone = service.outbox.enqueue_at(&mut tx, event("a", 2), soon);
    undone.await.unwrap();
    tx.rollback().await.unwrap();
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    schedule(&service, "a", 3, soon + TimeDelta::milliseconds(1)).await;
    let sent = publisher.wait_for(2).await;
    assert_eq!(sent[0].id, kept);
    assert_eq!(publisher.numbers()["a"], [1, 3]);
}

#[tokio::test]
async fn a_time_that_no_database_keeps_is_refused_and_the_transaction_goes_on() {
    let service = Service::sqlite().await;
    let mut tx = service.pool.begin().await.unwrap();
    for when in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let refused = service.outbox.enqueue_at(&mut tx, event("a", 0), when);
        let error = refused.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.violations()[0].field, "when");
    }
    let enqueued = service.outbox.enqueue(&mut tx, event("a", 1)).await;
    enqueued.unwrap();
    service.outbox.commit(tx).await.unwrap();
    assert_eq!(service.stats().await.pending, 1);
}
