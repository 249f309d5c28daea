use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Origin, ServiceError};
use nova_events::{EventRecord, KafkaPublisher, Topic, TopicPrefix};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::{OutboxEvent, OutboxPublisher};

/// Publishes to Kafka: topic `{prefix}.{aggregate_type}.events`, key the aggregate id, and the
/// outbox's sequence as the header `seq`.
///
/// ```no_run
/// use nova_events::KafkaPublisher;
/// use nova_outbox::KafkaOutboxPublisher;
///
/// # fn example() -> Result<(), nova_errors::ServiceError> {
/// let producer = KafkaPublisher::builder().brokers("localhost:9092").build()?;
/// let publisher = KafkaOutboxPublisher::new(producer, "nova")
///     .topics([("identity", "accounts.identity.events")]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct KafkaOutboxPublisher {
    producer: KafkaPublisher,
    prefix: Result<TopicPrefix, ServiceError>,
    topics: Result<HashMap<String, Topic>, ServiceError>,
    delivery_timeout: Duration,
}

impl KafkaOutboxPublisher {
    /// What is added to the producer's delivery time-out, which begins when the producer has taken the record: the wait for
    /// [room](Self::ROOM), and that the client looks for records that are out of time once a second.
    const MARGIN: Duration = Duration::from_secs(2);

    /// How long a record may wait for room in the producer. One that got in later could arrive after the lease has ended.
    const ROOM: Duration = Duration::from_secs(1);

    /// A publisher over a [`KafkaPublisher`], or over a producer of `rdkafka`, which should be idempotent, with
    /// `acks=all` and the partitioner `murmur2_random`.
    ///
    /// A prefix that makes no topic is reported when the relay is [built](crate::OutboxProcessor::try_build) or started.
    #[must_use]
    pub fn new(producer: impl Into<KafkaPublisher>, prefix: impl AsRef<str>) -> Self {
        Self {
            producer: producer.into(),
            prefix: TopicPrefix::new(prefix.as_ref()),
            topics: Ok(HashMap::new()),
            delivery_timeout: Duration::from_secs(30) + Self::MARGIN,
        }
    }

    /// Topics by aggregate type, where they are not `{prefix}.{aggregate_type}.events`. A name that is no topic is
    /// reported when the relay is built or started.
    #[must_use]
    pub fn topics<K, V>(mut self, topics: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: AsRef<str>,
    {
        let given: Result<Vec<_>, ServiceError> = topics
            .into_iter()
            .map(|(kind, topic)| Ok((kind.into(), Topic::new(topic.as_ref())?)))
            .collect();
        self.topics = self.topics.and_then(|mut topics| {
            topics.extend(given?);
            Ok(topics)
        });
        self
    }

    /// The producer's `delivery.timeout.ms`, where it is not 30 s, as [`KafkaPublisher`] has it by default. Take care that it
    /// is no shorter than the producer's, which for a plain `rdkafka` producer is 300 s: the relay's leases rest on it.
    ///
    /// A shorter one, set on both, lets another relay take over sooner after a crash.
    #[must_use]
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout + Self::MARGIN;
        self
    }

    fn topic(&self, aggregate_type: &str) -> Result<Topic, ServiceError> {
        let topics = self.topics.as_ref().map_err(Clone::clone)?;
        if let Some(topic) = topics.get(aggregate_type) {
            return Ok(topic.clone());
        }
        let prefix = self.prefix.as_ref().map_err(Clone::clone)?;
        prefix.topic_for(aggregate_type)
    }
}

#[async_trait]
impl OutboxPublisher for KafkaOutboxPublisher {
    async fn publish(&self, event: &OutboxEvent) -> Result<(), ServiceError> {
        let topic = self.topic(event.event.aggregate_type())?;
        let record = EventRecord::from_event(&event.event, Some(event.seq), topic);
        let taken = tokio::time::timeout(Self::ROOM, self.producer.publish(record)).await;
        let taken = taken.unwrap_or_else(|_| {
            let full = ServiceError::ServiceUnavailable("producer queue is full".into());
            Err(full.with_origin(Origin::Transport))
        });
        taken.map_err(sorted)?.await.map_err(sorted)?;
        Ok(())
    }

    fn delivery_timeout(&self) -> Duration {
        self.delivery_timeout
    }

    fn validate(&self) -> Result<(), ServiceError> {
        self.prefix.as_ref().map_err(Clone::clone)?;
        self.topics.as_ref().map_err(Clone::clone)?;
        Ok(())
    }
}

/// What is wrong with the producer as a whole is no fault of the event, which is to pay no attempt for it.
fn sorted(error: ServiceError) -> ServiceError {
    let code = error
        .find_source::<KafkaError>()
        .and_then(KafkaError::rdkafka_error_code);
    match code {
        Some(
            Code::Fatal
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::ClusterAuthorizationFailed,
        ) => ServiceError::ServiceUnavailable("Kafka producer".into())
            .with_origin(Origin::Transport)
            .with_source(error),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use nova_errors::ErrorKind;
    use nova_events::NewEvent;
    use nova_events::social::FollowCreated;
    use uuid::Uuid;

    use super::*;

    fn outage(error: &ServiceError) -> bool {
        error.kind() == ErrorKind::ServiceUnavailable && error.origin() == Origin::Transport
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_finds_no_room_is_not_sent_late() {
        let producer = KafkaPublisher::builder()
            .brokers("127.0.0.1:1")
            .max_in_flight(1)
            .build()
            .unwrap();
        let publisher = KafkaOutboxPublisher::new(producer, "nova");
        let event = NewEvent::new(&FollowCreated {
            follower_id: Uuid::nil(),
            followee_id: Uuid::nil(),
            created_at: chrono::DateTime::UNIX_EPOCH,
        });
        let event = OutboxEvent {
            seq: 1,
            attempts: 0,
            event: event.unwrap(),
        };
        assert!(publisher.publish(&event).now_or_never().is_none());
        let began = tokio::time::Instant::now();
        let error = publisher.publish(&event).await.unwrap_err();
        assert!(outage(&error), "{error:?}");
        assert!(began.elapsed() < KafkaOutboxPublisher::MARGIN);
    }

    #[test]
    fn a_producer_that_failed_for_good_costs_no_event_an_attempt() {
        let sort = |code| sorted(KafkaError::MessageProduction(code).into());
        assert!(outage(&sort(Code::Fatal)));
        assert!(outage(&sort(Code::SaslAuthenticationFailed)));
        assert!(!outage(&sort(Code::MessageSizeTooLarge)));
        assert!(!outage(&sort(Code::InvalidRecord)));
    }
}
