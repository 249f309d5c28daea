//! The same on a real Kafka.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nova_events::{Event, MemoryIdempotency, murmur2};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use uuid::Uuid;

use crate::assignment;
use crate::eventually::eventually;
use crate::kafka::{committed, consumer_at, publisher_at, read};
use crate::probe::{Probe, probe, publish, record};

const PATIENCE: Duration = Duration::from_secs(30);

fn brokers() -> String {
    std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS has to name a Kafka cluster")
}

/// Creates a topic and its dead letters'.
async fn topics(brokers: &str, partitions: i32) -> String {
    let name = format!("nova-events-test-{}", Uuid::new_v4());
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    let dead_letters = format!("{name}.dlq");
    let topic = |name| NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let created = admin
        .create_topics(&[topic(&name), topic(&dead_letters)], &AdminOptions::new())
        .await
        .unwrap();
    for result in created {
        result.unwrap();
    }
    name
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn records_lie_on_the_partitions_of_every_client_with_their_headers() {
    let brokers = brokers();
    let topic = topics(&brokers, 6).await;
    let publisher = publisher_at(&brokers);
    let records = (0..100).map(|n| record(&topic, &probe(&format!("key-{n}"), n)));
    publish(&publisher, records).await;
    for raw in read(&brokers, &topic, 100).await {
        let key = raw.key.unwrap();
        assert_eq!(raw.partition, (murmur2(&key) & 0x7fff_ffff) % 6);
        assert_eq!(raw.headers["event_type"], "test.probe");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn partitions_that_move_between_members_lose_nothing_and_keep_each_key_in_order() {
    let brokers = brokers();
    let topic = topics(&brokers, 4).await;
    assignment::check(&brokers, &topic, &format!("{topic}-group"), 6).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn a_group_handles_each_event_once_in_order_over_a_crash() {
    let brokers = brokers();
    let topic = topics(&brokers, 1).await;
    let group = format!("{topic}-group");
    let publisher = publisher_at(&brokers);
    let records = (0..300).map(|n| record(&topic, &probe(&format!("key-{}", n % 10), n)));
    publish(&publisher, records).await;

    let store = MemoryIdempotency::default();
    let effects: Arc<Mutex<HashMap<String, Vec<u32>>>> = Arc::default();
    let count = |effects: &Mutex<HashMap<String, Vec<u32>>>| {
        effects
            .lock()
            .unwrap()
            .values()
            .map(Vec::len)
            .sum::<usize>()
    };
    let start = |stuck: bool| {
        let effects = Arc::clone(&effects);
        let consumer = consumer_at(&brokers, &topic, &group)
            .on(move |event: Event<Probe>| {
                let effects = Arc::clone(&effects);
                async move {
                    if stuck && event.key == "key-3" {
                        return std::future::pending().await;
                    }
                    let mut effects = effects.lock().unwrap();
                    let of_key = effects.entry(event.key.clone()).or_default();
                    of_key.push(event.number);
                    Ok(())
                }
            })
            .idempotency(store.clone())
            .build()
            .unwrap();
        consumer.start()
    };
    let crashing = start(true);
    eventually("the other keys are handled", || count(&effects) == 270).await;
    drop(crashing);
    let handle = start(false);
    eventually("all are handled", || count(&effects) == 300).await;
    handle.shutdown(PATIENCE).await.unwrap();
    for (key, numbers) in effects.lock().unwrap().iter() {
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
    assert_eq!(committed(&brokers, &topic, &group).await, Some(300));
}
