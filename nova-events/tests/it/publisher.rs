use std::time::Duration;

use nova_errors::ErrorKind;
use nova_events::{EmbeddedKafka, EventRecord, KafkaPublisher, NewEvent, Topic, murmur2};

use crate::kafka::{brokers, publisher, read, topic};
use crate::probe::{Probe, probe, publish, record};

#[tokio::test]
async fn a_published_record_has_its_headers_on_the_wire_and_lies_where_every_client_looks() {
    let topic = topic(6);
    let keys = ["21", "foobar", "abc", "a-little-bit-long-string"];
    let events = keys.map(|key| NewEvent::new(&probe(key, 1)).unwrap());
    let name: Topic = topic.parse().unwrap();
    let records = events
        .iter()
        .map(|event| EventRecord::from_event(event, Some(9), name.clone()));
    publish(&publisher(), records).await;

    let mut found = read(brokers(), &topic, keys.len()).await;
    for event in events {
        let key = event.aggregate_id().as_bytes();
        let at = found
            .iter()
            .position(|raw| raw.key.as_deref() == Some(key))
            .unwrap();
        let raw = found.swap_remove(at);
        assert_eq!(raw.partition, (murmur2(key) & 0x7fff_ffff) % 6);
        assert_eq!(raw.value.as_deref(), Some(event.payload().as_ref()));
        assert_eq!(raw.headers["event_id"], event.event_id().to_string());
        assert_eq!(raw.headers["event_type"], "test.probe");
        assert_eq!(raw.headers["aggregate_type"], "test");
        assert_eq!(raw.headers["aggregate_id"], event.aggregate_id());
        assert_eq!(raw.headers["schema_version"], "1");
        assert_eq!(raw.headers["seq"], "9");
        assert!(raw.headers["created_at"].ends_with('Z'));
        assert_eq!(raw.headers.len(), 7);
    }
}

#[tokio::test]
async fn a_publisher_writes_the_headers_of_cloudevents_where_it_is_asked_to() {
    let topic = topic(1);
    let publisher = KafkaPublisher::builder()
        .brokers(brokers())
        .cloud_events("probe-service".parse().unwrap())
        .build()
        .unwrap();
    publish(&publisher, [record(&topic, &probe("a", 1))]).await;
    let raw = read(brokers(), &topic, 1).await.remove(0);
    assert_eq!(raw.headers["ce_specversion"], "1.0");
    assert_eq!(raw.headers["ce_id"], raw.headers["event_id"]);
    assert_eq!(raw.headers["ce_type"], "test.probe");
    assert_eq!(raw.headers["ce_source"], "probe-service");
    assert_eq!(raw.headers["ce_time"], raw.headers["created_at"]);
    assert_eq!(raw.headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_full_queue_is_waited_for_without_changing_the_order() {
    let topic = topic(1);
    let small = KafkaPublisher::builder()
        .brokers(brokers())
        .max_in_flight(5)
        .build()
        .unwrap();
    publish(&small, (0..500).map(|n| record(&topic, &probe("a", n)))).await;
    let numbers: Vec<u32> = numbers(brokers(), &topic, 500).await;
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn records_taken_during_an_outage_arrive_in_order_after_it() {
    let kafka = EmbeddedKafka::start(1).unwrap();
    kafka.create_topic("outage", 1).unwrap();
    let publisher = KafkaPublisher::builder()
        .brokers(kafka.bootstrap_servers())
        .build()
        .unwrap();
    publish(&publisher, [record("outage", &probe("a", 0))]).await;
    kafka.broker_down().unwrap();
    let mut deliveries = Vec::new();
    for number in 1..20 {
        let record = record("outage", &probe("a", number));
        deliveries.push(publisher.publish(record).await.unwrap());
    }
    kafka.broker_up().unwrap();
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    let numbers = numbers(kafka.bootstrap_servers(), "outage", 20).await;
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_outage_that_outlasts_the_delivery_time_is_a_retryable_error() {
    let publisher = KafkaPublisher::builder()
        .brokers("127.0.0.1:1")
        .delivery_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let delivery = publisher
        .publish(record("nowhere", &probe("a", 1)))
        .await
        .unwrap();
    let error = delivery.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_retryable());
}

#[test]
fn a_bad_setting_is_refused_by_name() {
    let valid = || KafkaPublisher::builder().brokers("localhost:9092");
    let bad = [
        ("brokers", KafkaPublisher::builder()),
        ("delivery_timeout", valid().delivery_timeout(Duration::ZERO)),
        ("max_in_flight", valid().max_in_flight(0)),
        ("max_in_flight_bytes", valid().max_in_flight_bytes(1)),
        ("setting", valid().setting("acks", "0")),
        ("setting", valid().setting("no.such.setting", "0")),
    ];
    for (field, builder) in bad {
        let error = builder.build().unwrap_err();
        assert_eq!(error.violations()[0].field, field);
    }
}

async fn numbers(brokers: &str, topic: &str, count: usize) -> Vec<u32> {
    let found = read(brokers, topic, count).await;
    let payloads = found.iter().map(|raw| raw.value.as_deref().unwrap());
    payloads
        .map(|json| serde_json::from_slice::<Probe>(json).unwrap().number)
        .collect()
}
