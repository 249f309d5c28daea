use std::time::Duration;

use nova_outbox::OutboxProcessor;

use crate::sample::event;
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::Service;

/// A relay that would find nothing by polling before the test gives up.
fn patient(service: &Service<sqlx::Sqlite>, publisher: &ScriptedPublisher) -> OutboxProcessor {
    OutboxProcessor::new(
        service.repository(),
        publisher.clone(),
        100,
        Duration::from_secs(60),
        3,
    )
    .wake_on(&service.outbox)
}

#[tokio::test]
async fn a_commit_through_the_outbox_wakes_the_relay() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = patient(&service, &publisher).start();
    for number in 0..20 {
        service.enqueue([event("a", number)]).await;
        publisher
            .wait_for(usize::try_from(number).unwrap() + 1)
            .await;
    }
}

#[tokio::test]
async fn a_plain_commit_soon_after_the_enqueue_is_found_too() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = patient(&service, &publisher).start();
    for number in 0..5 {
        let mut tx = service.pool.begin().await.unwrap();
        service
            .outbox
            .enqueue(&mut tx, event("a", number))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        publisher
            .wait_for(usize::try_from(number).unwrap() + 1)
            .await;
    }
}

#[tokio::test]
async fn without_a_signal_the_poll_finds_it() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::acknowledging();
    let relay = OutboxProcessor::new(
        service.repository(),
        publisher.clone(),
        10,
        Duration::from_millis(50),
        3,
    );
    let _relay = relay.start();
    service.enqueue([event("a", 1)]).await;
    publisher.wait_for(1).await;
}
