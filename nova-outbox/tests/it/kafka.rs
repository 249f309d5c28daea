use std::time::Duration;

use nova_events::{EmbeddedKafka, KafkaPublisher, NewEvent};
use nova_outbox::{KafkaOutboxPublisher, OutboxProcessor};
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Offset, TopicPartitionList};

use crate::sample::event;
use crate::service::{PATIENCE, Service};

/// What is in a topic: key, value and headers of each record, by partition and offset.
pub(crate) struct Received {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name).unwrap();
        value
    }
}

/// Reads `count` records from the start of a topic.
pub(crate) fn receive(brokers: &str, topic: &str, partitions: i32, count: usize) -> Vec<Received> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "outbox-test")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut received = Vec::new();
    let deadline = std::time::Instant::now() + PATIENCE;
    while received.len() < count {
        assert!(
            std::time::Instant::now() < deadline,
            "{} of {count} records",
            received.len()
        );
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        received.push(Received {
            key: text(message.key().unwrap()),
            value: text(message.payload().unwrap()),
            headers: message
                .headers()
                .unwrap()
                .iter()
                .map(|header| (header.key.to_owned(), text(header.value.unwrap())))
                .collect(),
        });
    }
    received
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_in_kafka_with_their_headers_and_in_order_through_an_outage() {
    let kafka = EmbeddedKafka::start(1).unwrap();
    kafka.create_topic("nova.content.events", 6).unwrap();
    kafka.create_topic("elsewhere", 1).unwrap();
    let service = Service::sqlite().await;
    let producer = KafkaPublisher::builder()
        .brokers(kafka.bootstrap_servers())
        .delivery_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let publisher = KafkaOutboxPublisher::new(producer, "nova")
        .topics([("identity", "elsewhere")])
        .delivery_timeout(Duration::from_secs(2));
    let relay = OutboxProcessor::new(
        service.repository(),
        publisher,
        100,
        Duration::from_millis(200),
        5,
    )
    .wake_on(&service.outbox)
    .start();

    service
        .enqueue((0..100).map(|n| event(&format!("post-{}", n % 10), n / 10)))
        .await;
    service.drained().await;
    kafka.broker_down().unwrap();
    service
        .enqueue((100..200).map(|n| event(&format!("post-{}", n % 10), n / 10)))
        .await;
    tokio::time::timeout(PATIENCE, async {
        while relay.health_check().is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the outage is noticed");
    kafka.broker_up().unwrap();
    let mut parts = event("user-1", 1).into_parts();
    parts.aggregate_type = "identity".into();
    let renamed = NewEvent::from_parts(parts).unwrap();
    service.enqueue([renamed.clone()]).await;
    service.drained().await;
    assert_eq!(service.stats().await.dead, 0, "an outage costs no attempt");
    relay.shutdown(Duration::from_secs(30)).await.unwrap();

    let brokers = kafka.bootstrap_servers().to_owned();
    tokio::task::spawn_blocking(move || {
        let received = receive(&brokers, "nova.content.events", 6, 200);
        for post in 0..10 {
            let key = format!("post-{post}");
            let of_post: Vec<_> = received.iter().filter(|record| record.key == key).collect();
            let mut numbers: Vec<u32> = of_post
                .iter()
                .map(|record| record.value.parse().unwrap())
                .collect();
            // What timed out in the outage may have arrived all the same: then there is a copy right behind.
            numbers.dedup();
            assert_eq!(numbers, (0..20).collect::<Vec<_>>());
            let seqs: Vec<i64> = of_post
                .iter()
                .map(|record| record.header("seq").parse().unwrap())
                .collect();
            assert!(seqs.is_sorted());
        }
        let first = &received[0];
        assert_eq!(first.header("event_type"), "content.post.updated");
        assert_eq!(first.header("aggregate_type"), "content");
        assert_eq!(first.header("aggregate_id"), first.key);
        assert_eq!(first.header("source"), "content-service");
        assert_eq!(first.header("schema_version"), "1");
        let elsewhere = receive(&brokers, "elsewhere", 1, 1);
        assert_eq!(
            elsewhere[0].header("event_id"),
            renamed.event_id().to_string()
        );
    })
    .await
    .unwrap();
}
