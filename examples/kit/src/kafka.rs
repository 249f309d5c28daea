use std::time::Duration;

use nova_errors::ServiceError;
use nova_events::{
    EventConsumer, EventConsumerBuilder, KafkaPublisher, MemoryIdempotency, Topic, TopicPrefix,
};
use nova_outbox::{KafkaOutboxPublisher, Outbox, OutboxProcessor, OutboxRepository};

use crate::{Db, Environment, Pool};

/// The topics that may be called otherwise, by aggregate type, and the settings that say so.
const OVERRIDES: [(&str, &str); 4] = [
    ("identity", "KAFKA_IDENTITY_EVENTS_TOPIC"),
    ("media", "KAFKA_EVENTS_TOPIC"),
    ("media", "KAFKA_MEDIA_EVENTS_TOPIC"),
    ("message", "KAFKA_MESSAGE_EVENTS_TOPIC"),
];

/// The partitions of each aggregate type's topic.
const TOPICS: [(&str, u16); 3] = [("content", 6), ("identity", 3), ("social", 3)];

/// How long a killed consumer holds its partitions.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the outbox is looked at where nobody wakes the relay. Leases last for some polls and a
/// delivery: what a killed relay held is published by another, or after a restart, 13 s later.
const POLL: Duration = Duration::from_secs(1);

/// How long a record may be on its way to the broker.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the broker is, and what the topics are called.
#[derive(Debug, Clone)]
pub struct Kafka {
    brokers: String,
    prefix: TopicPrefix,
    overrides: Vec<(&'static str, Topic)>,
}

impl Kafka {
    /// The broker at `brokers` (`HOST:PORT`, joined by commas), with topics called `{prefix}.….events`.
    ///
    /// # Errors
    ///
    /// `Validation` where the prefix can't begin the name of a topic.
    pub fn new(brokers: impl Into<String>, prefix: &str) -> Result<Self, ServiceError> {
        Ok(Self {
            brokers: brokers.into(),
            prefix: TopicPrefix::new(prefix)?,
            overrides: Vec::new(),
        })
    }

    /// Reads `KAFKA_BROKERS`, which must be there, and the settings of the topics.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let brokers = environment.required("KAFKA_BROKERS", "HOST:PORT,…");
        Self::with_topics(environment, brokers)
    }

    /// The same, where `KAFKA_BROKERS` may be absent.
    pub fn read_optional(environment: &mut Environment) -> Option<Self> {
        let brokers = environment.optional("KAFKA_BROKERS", "HOST:PORT,…");
        Self::with_topics(environment, brokers)
    }

    fn with_topics(environment: &mut Environment, brokers: Option<String>) -> Option<Self> {
        let prefix = environment
            .optional("KAFKA_TOPIC_PREFIX", "what topics begin with, such as nova")
            .unwrap_or_default();
        let mut overrides = Vec::new();
        for (aggregate_type, name) in OVERRIDES {
            if let Some(topic) = environment.optional(name, "the name of a topic") {
                overrides.push((aggregate_type, topic));
            }
        }
        Some(Self {
            brokers: brokers?,
            prefix,
            overrides,
        })
    }

    /// The broker's addresses.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The topic of an aggregate type.
    ///
    /// # Errors
    ///
    /// `Validation` where the aggregate type can't be part of a topic's name.
    pub fn topic(&self, aggregate_type: &str) -> Result<Topic, ServiceError> {
        let named = self
            .overrides
            .iter()
            .rev()
            .find(|(of, _)| *of == aggregate_type);
        match named {
            Some((_, topic)) => Ok(topic.clone()),
            None => self.prefix.topic_for(aggregate_type),
        }
    }

    /// The platform's topics, each followed by that of its dead letters, with their partitions.
    ///
    /// # Errors
    ///
    /// `Validation` where prefix and aggregate type make no name of a topic.
    pub fn topics(&self) -> Result<Vec<(Topic, u16)>, ServiceError> {
        let mut topics = Vec::with_capacity(2 * TOPICS.len());
        for (aggregate_type, partitions) in TOPICS {
            let topic = self.topic(aggregate_type)?;
            let dead_letters = topic.dead_letter();
            topics.extend([(topic, partitions), (dead_letters, 1)]);
        }
        Ok(topics)
    }

    /// The relay that publishes what `outbox` holds.
    pub(crate) fn relay(
        &self,
        outbox: &Outbox<Db>,
        pool: &Pool,
    ) -> Result<OutboxProcessor, ServiceError> {
        let producer = KafkaPublisher::builder()
            .brokers(&self.brokers)
            .delivery_timeout(DELIVERY_TIMEOUT)
            .build()?;
        let topics = self
            .overrides
            .iter()
            .map(|(of, topic)| (*of, topic.as_str()));
        let publisher = KafkaOutboxPublisher::new(producer, self.prefix.as_str())
            .delivery_timeout(DELIVERY_TIMEOUT)
            .topics(topics);
        let repository = OutboxRepository::<Db>::new(pool.clone());
        Ok(OutboxProcessor::new(repository, publisher, 100, POLL, 5).wake_on(outbox))
    }

    /// A consumer of the events of these aggregate types: what fails for good goes to the dead
    /// letters.
    ///
    /// # Errors
    ///
    /// `Validation` where an aggregate type can't be part of a topic's name.
    pub fn consumer(
        &self,
        group: &str,
        aggregate_types: &[&str],
    ) -> Result<EventConsumerBuilder, ServiceError> {
        let mut topics = Vec::with_capacity(aggregate_types.len());
        for aggregate_type in aggregate_types {
            topics.push(self.topic(aggregate_type)?.to_string());
        }
        Ok(EventConsumer::builder()
            .brokers(&self.brokers)
            .group(group)
            .topics(topics)
            .setting(
                "session.timeout.ms",
                SESSION_TIMEOUT.as_millis().to_string(),
            )
            .idempotency(MemoryIdempotency::default()))
    }
}
