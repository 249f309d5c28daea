use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nova_events::{EmbeddedKafka, EventConsumer, EventConsumerBuilder, KafkaPublisher};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// One cluster for all tests: its groups and topics have names of their own.
static KAFKA: LazyLock<EmbeddedKafka> = LazyLock::new(|| EmbeddedKafka::start(1).unwrap());

/// A name that no other test has.
pub(crate) fn unique(name: &str) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{number}-{}", std::process::id())
}

/// A topic of its own, and its dead letters'.
pub(crate) fn topic(partitions: u16) -> String {
    let name = unique("topic");
    KAFKA.create_topic(&name, partitions).unwrap();
    let dead_letters = format!("{name}.dlq");
    KAFKA.create_topic(&dead_letters, partitions).unwrap();
    name
}

pub(crate) fn brokers() -> &'static str {
    KAFKA.bootstrap_servers()
}

pub(crate) fn publisher() -> KafkaPublisher {
    publisher_at(brokers())
}

pub(crate) fn publisher_at(brokers: &str) -> KafkaPublisher {
    KafkaPublisher::builder().brokers(brokers).build().unwrap()
}

pub(crate) fn consumer(topic: &str, group: &str) -> EventConsumerBuilder {
    consumer_at(brokers(), topic, group)
}

/// A consumer whose group notices changes fast.
pub(crate) fn consumer_at(brokers: &str, topic: &str, group: &str) -> EventConsumerBuilder {
    EventConsumer::builder()
        .brokers(brokers)
        .group(group)
        .topics([topic])
        .setting("heartbeat.interval.ms", "200")
        .setting("session.timeout.ms", "6000")
}

/// A record as it lies in the topic.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: HashMap<String, String>,
}

fn reader(brokers: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap()
}

/// Reads `count` records of a topic from its beginning, with a plain client and without a group.
pub(crate) async fn read(brokers: &str, topic: &str, count: usize) -> Vec<Raw> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let reading = tokio::task::spawn_blocking(move || {
        let consumer = reader(&brokers, "raw-reader");
        let timeout = Duration::from_secs(10);
        let metadata = consumer.fetch_metadata(Some(&topic), timeout).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(&topic, partition.id(), Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&list).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut records = Vec::new();
        while records.len() < count {
            assert!(
                Instant::now() < deadline,
                "{topic}: {} of {count}",
                records.len()
            );
            let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                continue;
            };
            let message = message.unwrap();
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            records.push(Raw {
                partition: message.partition(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers: headers
                    .filter_map(|h| {
                        let value = String::from_utf8_lossy(h.value?).into_owned();
                        Some((h.key.to_owned(), value))
                    })
                    .collect(),
            });
        }
        records
    });
    reading.await.unwrap()
}

/// Reads all records of a topic that are there now.
pub(crate) async fn read_all(brokers: &str, topic: &str) -> Vec<Raw> {
    let (of, name) = (brokers.to_owned(), topic.to_owned());
    let counting = tokio::task::spawn_blocking(move || {
        let consumer = reader(&of, "raw-reader");
        let timeout = Duration::from_secs(30);
        let metadata = consumer.fetch_metadata(Some(&name), timeout).unwrap();
        let partitions = metadata.topics()[0].partitions();
        let ends = partitions.iter().map(|partition| {
            let watermarks = consumer.fetch_watermarks(&name, partition.id(), timeout);
            watermarks.unwrap().1
        });
        ends.sum::<i64>()
    });
    let count = counting.await.unwrap();
    read(brokers, topic, count.try_into().unwrap()).await
}

/// Where a group stands in partition 0 of a topic.
pub(crate) async fn committed(brokers: &str, topic: &str, group: &str) -> Option<i64> {
    let (brokers, topic, group) = (brokers.to_owned(), topic.to_owned(), group.to_owned());
    let asking = tokio::task::spawn_blocking(move || {
        let consumer = reader(&brokers, &group);
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic, 0);
        let found = consumer
            .committed_offsets(list, Duration::from_secs(10))
            .unwrap();
        let offset = found.elements()[0].offset();
        // A list that outlives its client makes the client's drop hang.
        drop(found);
        match offset {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    });
    asking.await.unwrap()
}
