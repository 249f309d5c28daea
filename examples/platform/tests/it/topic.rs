use std::collections::HashMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Headers, Message};
use serde_json::Value;
use tokio::time::timeout;

/// How long the records that a test waits for may take.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);

/// A record as it is on the broker.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) payload: Value,
    pub(crate) headers: HashMap<String, String>,
}

impl Record {
    pub(crate) fn event_type(&self) -> &str {
        &self.headers["event_type"]
    }
}

/// Reads `topic` from its beginning until `enough` says so of what was read.
pub(crate) async fn read_until(
    brokers: &str,
    topic: &str,
    mut enough: impl FnMut(&[Record]) -> bool,
) -> Vec<Record> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", uuid::Uuid::new_v4().to_string())
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut records = Vec::new();
    let reading = async {
        while !enough(&records) {
            let message = consumer.recv().await.unwrap();
            let headers = message
                .headers()
                .map(|headers| {
                    let text = |value: Option<&[u8]>| {
                        String::from_utf8(value.unwrap_or_default().to_vec()).unwrap()
                    };
                    headers
                        .iter()
                        .map(|header| (header.key.to_owned(), text(header.value)))
                        .collect()
                })
                .unwrap_or_default();
            records.push(Record {
                key: String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
                payload: serde_json::from_slice(message.payload().unwrap()).unwrap(),
                headers,
            });
        }
    };
    let in_time = timeout(ARRIVAL_LIMIT, reading).await;
    assert!(in_time.is_ok(), "what was read in time: {records:#?}");
    records
}
