use nova_outbox::{Bucket, OutboxStore};

use crate::sample::{event, number};
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::Service;

fn is_poison(event: &nova_outbox::OutboxEvent) -> bool {
    event.event.aggregate_id().starts_with("poison")
}

#[tokio::test]
async fn a_failing_event_holds_back_only_its_aggregate_and_then_becomes_a_dead_letter() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|event| {
        if is_poison(event) && number(&event.event) == 1 {
            Act::Fail
        } else {
            Act::Acknowledge
        }
    });
    let _relay = service.relay(publisher.clone()).start();
    service
        .enqueue((0..3).flat_map(|n| [event("poison", n), event("good", n)]))
        .await;
    service.drained().await;
    let numbers = publisher.numbers();
    assert_eq!(numbers["good"], [0, 1, 2]);
    assert_eq!(numbers["poison"], [0, 2], "its aggregate goes on after it");
    let dead: (i64, i32, String, String, Vec<u8>) = sqlx::query_as(
        "SELECT count(*), attempts, error_code, error_message, payload FROM outbox_dead",
    )
    .fetch_one(&service.pool)
    .await
    .unwrap();
    assert_eq!(
        dead,
        (
            1,
            4,
            "internal".to_owned(),
            "poison".to_owned(),
            b"1".to_vec()
        )
    );
    assert_eq!(service.stats().await.retrying, 0);
}

#[tokio::test]
async fn an_event_that_fails_for_a_while_is_published_in_its_place() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|event| {
        if number(&event.event) == 1 && event.attempts < 3 {
            Act::Fail
        } else {
            Act::Acknowledge
        }
    });
    let _relay = service.relay(publisher.clone()).start();
    service.enqueue((0..4).map(|n| event("a", n))).await;
    service.drained().await;
    assert_eq!(publisher.numbers()["a"], [0, 1, 2, 3]);
    assert_eq!(service.stats().await.dead, 0);
}

#[tokio::test]
async fn a_thousand_poison_events_at_the_head_do_not_stop_the_rest() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|event| {
        if is_poison(event) {
            Act::Fail
        } else {
            Act::Acknowledge
        }
    });
    let slow = nova_errors::Backoff::new(
        std::time::Duration::from_secs(600),
        std::time::Duration::from_secs(600),
    );
    service
        .enqueue((0..1000).map(|n| event(&format!("poison-{n}"), n)))
        .await;
    service
        .enqueue((0..500).map(|n| event(&format!("good-{}", n % 50), n)))
        .await;
    let _relay = service
        .relay(publisher.clone())
        .backoff(slow.unwrap())
        .start();
    publisher.wait_for(500).await;
    let stats = service
        .wait_for(|stats| stats.retrying > 990 && stats.pending <= 1000)
        .await;
    assert_eq!(stats.dead, 0);
    service.enqueue([event("good-late", 1)]).await;
    publisher.wait_for(501).await;
}

#[tokio::test]
async fn a_publisher_that_panics_fails_that_event_alone() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|event| {
        if is_poison(event) {
            Act::Panic
        } else {
            Act::Acknowledge
        }
    });
    let _relay = service.relay(publisher.clone()).start();
    service
        .enqueue([event("poison", 1), event("good", 1)])
        .await;
    service.drained().await;
    assert_eq!(publisher.sent().len(), 1);
    assert_eq!(service.stats().await.dead, 1);
}

#[tokio::test]
async fn a_row_that_is_no_event_becomes_a_dead_letter_and_its_bucket_goes_on() {
    let service = Service::sqlite().await;
    sqlx::query(
        "INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload, schema_version)
        VALUES ('not a uuid', ?1, 'content', 'a', 'x', x'00', 1)",
    )
    .bind(Bucket::of("content", "a").number())
    .execute(&service.pool)
    .await
    .unwrap();
    service.enqueue([event("a", 1)]).await;
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    publisher.wait_for(1).await;
    service.drained().await;
    assert_eq!(
        service
            .repository()
            .stats(&[Bucket::of("content", "a")])
            .await
            .unwrap()
            .dead,
        1
    );
}
