use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::{Platform, command};
use crate::topic::read_until;

const POSTS: usize = 100;

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run this test by cargo xtask test-engines"))
}

/// The platform on the real engines, with topics of its own.
fn on_engines(prefix: &str) -> tokio::process::Command {
    let mut command = command();
    command
        .env("DATABASE_URL", setting("DATABASE_URL"))
        .env("KAFKA_BROKERS", setting("KAFKA_BROKERS"))
        .env("KAFKA_TOPIC_PREFIX", prefix);
    command
}

fn unique_prefix() -> String {
    format!("it-{}", Uuid::new_v4().simple())
}

/// The broker is down for as long as this lives, and no longer: other tests need it.
struct StoppedBroker;

impl StoppedBroker {
    fn new() -> Self {
        engine("down");
        Self
    }
}

impl Drop for StoppedBroker {
    fn drop(&mut self) {
        engine("up");
    }
}

fn engine(action: &str) {
    let status = Command::new(setting("NOVA_XTASK"))
        .args(["engines", action, "kafka"])
        .status()
        .unwrap();
    assert!(status.success(), "engines {action} kafka");
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn the_demo_holds_on_postgresql_and_kafka() {
    let prefix = unique_prefix();
    let output = on_engines(&prefix)
        .args(["demo", "--json"])
        .output()
        .await
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["ok"], true, "{summary}");
    assert_eq!(summary["steps"].as_array().unwrap().len(), 5);
    for (topic, expected) in [("content", 6), ("identity", 3), ("social", 3)] {
        let topic = format!("{prefix}.{topic}.events");
        assert_eq!(partitions(&topic), expected, "{topic}");
    }
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn what_is_posted_while_the_broker_is_stopped_arrives_in_order_when_it_is_back() {
    let prefix = unique_prefix();
    let topic = format!("{prefix}.content.events");
    let brokers = setting("KAFKA_BROKERS");
    let platform = Platform::run(on_engines(&prefix)).await;
    let username = format!("frida_{}", &Uuid::new_v4().simple().to_string()[..8]);
    let token = platform.log_in(&username).await;

    let stopped = StoppedBroker::new();
    let mut posts = HashMap::new();
    for number in 0..POSTS {
        let post = platform.post(&token, &format!("post {number}")).await;
        platform
            .change(&token, &post, json!({ "status": "archived" }))
            .await;
        posts.insert(post, Vec::new());
    }
    drop(stopped);

    let records = read_until(&brokers, &topic, |records| {
        let ours = records
            .iter()
            .filter(|record| posts.contains_key(&record.key));
        ours.count() >= 2 * POSTS
    })
    .await;
    for record in &records {
        if let Some(types) = posts.get_mut(&record.key) {
            types.push(record.event_type().to_owned());
        }
    }
    for (post, types) in &posts {
        assert_eq!(
            types,
            &["content.post.created", "content.post.status_updated"],
            "{post}"
        );
    }
    assert_eq!(dead_letters(&brokers, &topic), 0);
    platform.kill().await;
}

/// The partitions of a topic, which decide where a key goes.
fn partitions(topic: &str) -> usize {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", setting("KAFKA_BROKERS"))
        .create()
        .unwrap();
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(10))
        .unwrap();
    metadata.topics()[0].partitions().len()
}

/// How many records the dead-letter topic holds.
fn dead_letters(brokers: &str, topic: &str) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    let (low, high) = consumer
        .fetch_watermarks(&format!("{topic}.dlq"), 0, Duration::from_secs(10))
        .unwrap();
    high - low
}
