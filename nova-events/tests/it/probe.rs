use nova_events::{DomainEvent, EventRecord, KafkaPublisher, NewEvent};
use serde::{Deserialize, Serialize};

/// The event of these tests: the `number`-th of its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) key: String,
    pub(crate) number: u32,
}

impl DomainEvent for Probe {
    const EVENT_TYPE: &'static str = "test.probe";
    const AGGREGATE_TYPE: &'static str = "test";
    const ALIASES: &'static [&'static str] = &["ProbeEvent"];

    fn aggregate_id(&self) -> String {
        self.key.clone()
    }
}

pub(crate) fn probe(key: &str, number: u32) -> Probe {
    Probe {
        key: key.to_owned(),
        number,
    }
}

pub(crate) fn record(topic: &str, probe: &Probe) -> EventRecord {
    let event = NewEvent::new(probe).unwrap();
    EventRecord::from_event(&event, None, topic.parse().unwrap())
}

/// Publishes records in this order, and waits until all are acknowledged.
pub(crate) async fn publish(
    publisher: &KafkaPublisher,
    records: impl IntoIterator<Item = EventRecord>,
) {
    let mut deliveries = Vec::new();
    for record in records {
        deliveries.push(publisher.publish(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}
