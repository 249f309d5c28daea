use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::Service;

#[tokio::test]
async fn an_outage_costs_no_attempt_and_everything_arrives_in_order_after_it() {
    let service = Service::sqlite().await;
    let away = Arc::new(AtomicBool::new(true));
    let publisher = ScriptedPublisher::new({
        let away = Arc::clone(&away);
        move |event| {
            assert_eq!(event.attempts, 0);
            if away.load(Ordering::Relaxed) {
                Act::Outage
            } else {
                Act::Acknowledge
            }
        }
    });
    let relay = service.relay(publisher.clone()).start();
    service
        .enqueue((0..100).map(|n| event(&format!("a{}", n % 10), n / 10)))
        .await;
    // All at once, then one by one: more in a row than an event has attempts.
    publisher.wait_for_attempts(14).await;
    assert!(relay.health_check().is_err());
    let stats = service.stats().await;
    assert_eq!((stats.pending, stats.retrying, stats.dead), (100, 0, 0));
    away.store(false, Ordering::Relaxed);
    publisher.wait_for(100).await;
    service.drained().await;
    for numbers in publisher.numbers().values() {
        assert_eq!(*numbers, (0..10).collect::<Vec<_>>());
    }
    assert!(relay.health_check().is_ok());
}

#[tokio::test]
async fn during_an_outage_one_event_tries_and_the_others_wait() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|_| Act::Outage);
    let relay = service.relay(publisher.clone()).start();
    service
        .enqueue((0..50).map(|n| event(&format!("a{n}"), n)))
        .await;
    // All at once, then one by one.
    publisher.wait_for_attempts(52).await;
    relay
        .shutdown(std::time::Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(service.stats().await.pending, 50);
}

#[tokio::test]
async fn what_is_never_acknowledged_is_given_up_in_time_and_is_an_outage() {
    let service = Service::sqlite().await;
    let tries = AtomicU32::new(0);
    let publisher = ScriptedPublisher::new(move |_| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            Act::Hang
        } else {
            Act::Acknowledge
        }
    })
    .delivery_timeout(std::time::Duration::from_millis(50));
    let _relay = service.relay(publisher.clone()).start();
    service.enqueue([event("a", 1)]).await;
    publisher.wait_for(1).await;
    service.drained().await;
}

#[tokio::test]
async fn what_cannot_be_delivered_for_now_does_not_keep_the_others_from_being_tried() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|event| match event.event.aggregate_id() {
        "stuck" => {
            assert_eq!(event.attempts, 0);
            Act::Outage
        }
        _ => Act::Acknowledge,
    });
    let _relay = service.relay(publisher.clone()).start();
    service.enqueue([event("stuck", 0)]).await;
    publisher.wait_for_attempts(2).await;
    service
        .enqueue((0..50).map(|n| event(&format!("a{n}"), n)))
        .await;
    publisher.wait_for(50).await;
    let stats = service.wait_for(|stats| stats.pending == 1).await;
    assert_eq!(stats.dead, 0);
}
