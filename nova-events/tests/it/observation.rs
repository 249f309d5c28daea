//! What operators see: metrics by the names of the contract, and health.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use nova_errors::ServiceError;
use nova_events::{
    DeliveryFuture, EmbeddedKafka, Event, EventConsumer, EventPublisher, EventRecord,
    ReceivedRecord, RecordingPublisher,
};
use nova_service::{BackgroundWorker, Shutdown};

use crate::eventually::eventually;
use crate::kafka::{consumer, consumer_at, publisher, topic, unique};
use crate::probe::{Probe, probe, publish, record};

/// The metrics of all tests: each looks for its own labels.
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    handle
});

/// The value of the line that begins with `name` and has all of these labels.
fn value(name: &str, labels: &[&str]) -> Option<f64> {
    let rendered = METRICS.render();
    let line = rendered
        .lines()
        .find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn outcomes_are_counted_by_event_type_and_what_others_send_makes_no_label() {
    LazyLock::force(&METRICS);
    let group = unique("group");
    let consumer = EventConsumer::builder()
        .brokers("127.0.0.1:1")
        .group(&group)
        .topics(["nova.test.events"])
        .on(async |event: Event<Probe>| match event.number {
            0 => Err(ServiceError::Internal("bug".into())),
            _ => Ok(()),
        })
        .dead_letters_to(RecordingPublisher::new())
        .build()
        .unwrap();
    for number in 0..3 {
        let record = record("nova.test.events", &probe("a", number));
        consumer.deliver(ReceivedRecord::new(record, 0, 0)).await;
    }
    let foreign = record("nova.test.events", &probe("a", 0));
    let foreign = foreign.with_header("event_type", "made.up");
    consumer.deliver(ReceivedRecord::new(foreign, 0, 0)).await;

    let group = format!("group=\"{group}\"");
    let handled = |event_type: &str, outcome: &str| {
        let labels = [
            group.clone(),
            format!("event_type=\"{event_type}\""),
            format!("outcome=\"{outcome}\""),
        ];
        let labels = labels.each_ref().map(String::as_str);
        value("nova_consumer_handled_total", &labels)
    };
    assert_eq!(handled("test.probe", "handled"), Some(2.0));
    assert_eq!(handled("test.probe", "dead_lettered"), Some(1.0));
    assert_eq!(handled("unknown", "unknown"), Some(1.0));
    assert_eq!(handled("made.up", "unknown"), None);
    let lettered = value("nova_consumer_dead_lettered_total", &[&group]);
    assert_eq!(lettered, Some(1.0));
    let took = value("messaging_process_duration_count", &["test.probe"]);
    assert!(took.is_some());
}

#[tokio::test]
async fn the_lag_is_what_the_group_has_not_committed() {
    LazyLock::force(&METRICS);
    let (topic, group) = (topic(1), unique("group"));
    let records = (0..10).map(|n| record(&topic, &probe("a", n)));
    publish(&publisher(), records).await;
    let consumer = consumer(&topic, &group)
        .on(async |event: Event<Probe>| match event.number {
            3 => std::future::pending().await,
            _ => Ok(()),
        })
        .drain_timeout(Duration::ZERO)
        .build()
        .unwrap();
    let handle = consumer.start();
    let labels = [
        format!("group=\"{group}\""),
        format!("topic=\"{topic}\""),
        "partition=\"0\"".to_owned(),
    ];
    let labels = labels.each_ref().map(String::as_str);
    eventually("the lag is seven", || {
        value("kafka_consumergroup_lag", &labels) == Some(7.0)
    })
    .await;
    eventually("its first record grows older", || {
        value("nova_consumer_lag_seconds", &labels).is_some_and(|age| age > 1.0)
    })
    .await;
    handle.shutdown(Duration::from_secs(30)).await.unwrap();
    assert_eq!(value("nova_consumer_lag_seconds", &labels), Some(0.0));
    assert_eq!(value("kafka_consumergroup_lag", &labels), Some(0.0));
}

#[tokio::test]
async fn health_says_when_the_group_is_joined_and_when_the_cluster_is_away_and_back() {
    let kafka = EmbeddedKafka::start(1).unwrap();
    kafka.create_topic("health", 1).unwrap();
    let consumer = consumer_at(kafka.bootstrap_servers(), "health", "health")
        .on(async |_: Event<Probe>| Ok(()))
        .build()
        .unwrap();
    let consumer = Arc::new(consumer);
    let (trigger, shutdown) = Shutdown::new();
    let run = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { consumer.run(shutdown).await }
    });
    assert!(consumer.health_check().await.is_err());
    until(&consumer, true).await;
    kafka.broker_down().unwrap();
    until(&consumer, false).await;
    kafka.broker_up().unwrap();
    until(&consumer, true).await;
    trigger.shutdown();
    run.await.unwrap().unwrap();
}

/// Takes records only while it is open.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    letters: RecordingPublisher,
}

#[async_trait]
impl EventPublisher for Gate {
    async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError> {
        if self.open.load(Ordering::SeqCst) {
            self.letters.publish(record).await
        } else {
            Err(ServiceError::Internal("closed".into()))
        }
    }
}

#[tokio::test]
async fn health_says_when_a_dead_letter_cannot_be_sent_and_when_it_was() {
    let (topic, gate) = (topic(1), Gate::default());
    let consumer = consumer(&topic, &unique("group"))
        .on(async |_: Event<Probe>| Err(ServiceError::Internal("bug".into())))
        .dead_letters_to(gate.clone())
        .build()
        .unwrap();
    let consumer = Arc::new(consumer);
    let (trigger, shutdown) = Shutdown::new();
    let run = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { consumer.run(shutdown).await }
    });
    until(&consumer, true).await;
    publish(&publisher(), [record(&topic, &probe("a", 0))]).await;
    until(&consumer, false).await;
    gate.open.store(true, Ordering::SeqCst);
    until(&consumer, true).await;
    assert_eq!(gate.letters.records().len(), 1);
    trigger.shutdown();
    run.await.unwrap().unwrap();
}

async fn until(consumer: &EventConsumer, well: bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while consumer.health_check().await.is_ok() != well {
        assert!(
            std::time::Instant::now() < deadline,
            "health never became {well}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
