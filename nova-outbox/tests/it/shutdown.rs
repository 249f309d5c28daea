use std::time::Duration;

use nova_errors::{Backoff, ErrorKind};
use nova_outbox::{KafkaOutboxPublisher, OutboxProcessor, OutboxStore, RelayId};
use nova_service::{BackgroundWorker, Shutdown, WorkerError};

use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::Service;

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_shutdown_waits_for_what_is_in_flight_and_gives_the_buckets_up() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|_| Act::AcknowledgeLate(200));
    let relay = service.relay(publisher.clone()).start();
    service
        .enqueue((0..50).map(|n| event(&format!("a{n}"), n)))
        .await;
    publisher.wait_for_attempts(50).await;
    relay.shutdown(LONG).await.unwrap();
    assert_eq!(service.stats().await.pending, 0);
    assert_eq!(publisher.sent().len(), 50);
    let next = service
        .repository()
        .hold_leases(RelayId::new(), LONG)
        .await
        .unwrap();
    assert_eq!((next.share, next.leases.len()), (64, 64));
    relay.shutdown(LONG).await.unwrap();
    assert!(relay.health_check().is_err(), "it does not run any more");
}

#[tokio::test]
async fn a_shutdown_that_takes_too_long_is_cut_short_and_says_so() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::new(|_| Act::Hang);
    let relay = service.relay(publisher.clone()).start();
    service.enqueue([event("a", 1)]).await;
    publisher.wait_for_attempts(1).await;
    let error = relay.shutdown(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(service.stats().await.pending, 1);
}

#[tokio::test]
async fn a_relay_runs_under_a_supervisor_and_again_after_a_stop() {
    let service = Service::sqlite().await;
    let publisher = ScriptedPublisher::acknowledging();
    let worker = service.relay(publisher.clone());
    for number in 0..2 {
        let (trigger, shutdown) = Shutdown::new();
        let run = worker.run(shutdown);
        let work = async {
            service.enqueue([event("a", number)]).await;
            publisher
                .wait_for(usize::try_from(number).unwrap() + 1)
                .await;
            worker.health_check().await.unwrap();
            trigger.shutdown();
        };
        let (stopped, ()) = tokio::join!(run, work);
        stopped.unwrap();
    }
    assert_eq!(service.stats().await.pending, 0);
}

#[tokio::test]
async fn settings_out_of_their_bounds_are_reported_everywhere() {
    let service = Service::sqlite().await;
    let poll = Duration::from_secs(5);
    let cases = [
        ("batch", 0, poll, 5),
        ("batch", 10_001, poll, 5),
        ("poll", 100, Duration::ZERO, 5),
        ("poll", 100, Duration::from_secs(61), 5),
        ("max_retries", 100, poll, 101),
    ];
    for (field, batch, poll, retries) in cases {
        let processor = || {
            let publisher = ScriptedPublisher::acknowledging();
            OutboxProcessor::new(service.repository(), publisher, batch, poll, retries)
        };
        let error = processor().try_build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.violations()[0].field, field);
        let handle = processor().start();
        assert_eq!(
            handle.health_check().unwrap_err().kind(),
            ErrorKind::Validation
        );
        assert_eq!(
            handle.shutdown(LONG).await.unwrap_err().kind(),
            ErrorKind::Validation
        );
        let (_trigger, shutdown) = Shutdown::new();
        let stopped = processor().run(shutdown).await;
        assert!(matches!(stopped, Err(WorkerError::Fatal(_))));
    }
    assert!(Backoff::new(Duration::ZERO, poll).is_err());
}

#[tokio::test]
async fn a_prefix_or_topic_that_is_none_is_reported_before_anything_runs() {
    let service = Service::sqlite().await;
    let producer = nova_events::KafkaPublisher::builder()
        .brokers("127.0.0.1:1")
        .build()
        .unwrap();
    let publishers = [
        KafkaOutboxPublisher::new(producer.clone(), "no prefix"),
        KafkaOutboxPublisher::new(producer, "nova").topics([("content", "no topic")]),
    ];
    for publisher in publishers {
        let built = OutboxProcessor::new(service.repository(), publisher, 100, LONG, 5).try_build();
        assert_eq!(built.unwrap_err().kind(), ErrorKind::Validation);
    }
}

#[test]
fn without_a_runtime_a_relay_does_not_start_and_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let service = runtime.block_on(Service::sqlite());
    let handle = service.relay(ScriptedPublisher::acknowledging()).start();
    assert_eq!(
        handle.health_check().unwrap_err().kind(),
        ErrorKind::Internal
    );
}
