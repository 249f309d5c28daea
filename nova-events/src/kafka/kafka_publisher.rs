use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_models::ServiceName;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::sync::Mutex;

use super::KafkaPublisherBuilder;
use crate::{Delivery, DeliveryFuture, EventPublisher, EventRecord, Topic};

/// Publishes records to Kafka: idempotent, acknowledged by all replicas in sync, pipelined.
///
/// Records go out in the order in which [`publish`](Self::publish) took them, and within a partition they arrive in it. The
/// partition of a key is that of the JVM's clients. In flight are at most 10 000 records or 64 MiB
/// ([builder](KafkaPublisherBuilder)); beyond that `publish` waits. Cheap to clone: clones share one producer.
///
/// ```no_run
/// use nova_events::{EventRecord, KafkaPublisher, NewEvent, TopicPrefix};
/// use nova_events::social::FollowCreated;
///
/// # async fn example(follows: Vec<FollowCreated>) -> Result<(), nova_errors::ServiceError> {
/// let publisher = KafkaPublisher::builder().brokers("localhost:9092").build()?;
/// let prefix = TopicPrefix::default();
/// let mut deliveries = Vec::new();
/// for follow in &follows {
///     let event = NewEvent::new(follow)?;
///     let topic = prefix.topic_for(event.aggregate_type())?;
///     deliveries.push(publisher.publish(EventRecord::from_event(&event, None, topic)).await?);
/// }
/// for delivery in deliveries {
///     delivery.await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KafkaPublisher {
    producer: FutureProducer,
    /// Whose turn it is to enqueue: who waits for room is not overtaken.
    turn: Arc<Mutex<()>>,
    /// The source of CloudEvents, where their headers are written.
    cloud_events: Option<ServiceName>,
}

/// How long to wait before a full queue is tried again.
const ROOM_WAIT: Duration = Duration::from_millis(2);

impl KafkaPublisher {
    /// The settings of a publisher, to be completed.
    pub fn builder() -> KafkaPublisherBuilder {
        KafkaPublisherBuilder::new()
    }

    /// A publisher over a producer that is there already. It should be idempotent, with the
    /// partitioner `murmur2_random`, as [`builder`](Self::builder) makes it.
    #[must_use]
    pub fn new(producer: FutureProducer) -> Self {
        Self {
            producer,
            turn: Arc::default(),
            cloud_events: None,
        }
    }

    pub(super) fn with_cloud_events(mut self, source: Option<ServiceName>) -> Self {
        self.cloud_events = source;
        self
    }

    /// Enqueues a record, after those that were taken before, and waits where there is no room.
    ///
    /// # Errors
    ///
    /// The kind of the client's refusal: `PayloadTooLarge`, or `Internal` where the producer has failed for good. A
    /// delivery that fails has `Timeout` after the delivery time-out, or the broker's refusal.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the record was not enqueued.
    pub async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError> {
        let record = match &self.cloud_events {
            Some(source) => record.with_cloud_events(source),
            None => record,
        };
        let topic = record.topic().clone();
        let mut out = FutureRecord::to(record.topic()).headers(headers(&record));
        out.key = record.key().map(AsRef::as_ref);
        out.payload = record.value().map(AsRef::as_ref);
        let _turn = self.turn.lock().await;
        loop {
            match self.producer.send_result(out) {
                Ok(delivery) => return Ok(delivered(delivery, topic)),
                Err((error, refused)) if is_full(&error) => {
                    out = refused;
                    tokio::time::sleep(ROOM_WAIT).await;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Whether the client refuses all further records: an idempotent producer that lost track of its sequence, for one.
    pub(super) fn is_dead(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }

    /// Waits until every record that was taken is acknowledged or given up.
    ///
    /// # Errors
    ///
    /// `Timeout` where that takes longer than `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<(), ServiceError> {
        let producer = self.producer.clone();
        tokio::task::spawn_blocking(move || producer.flush(timeout))
            .await
            .map_err(|error| ServiceError::Internal("flush".into()).with_source(error))?
            .map_err(ServiceError::from)
    }
}

fn headers(record: &EventRecord) -> OwnedHeaders {
    let headers = record.headers();
    let start = OwnedHeaders::new_with_capacity(headers.len());
    headers.fold(start, |headers, (key, value)| {
        headers.insert(Header { key, value })
    })
}

fn is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}

fn delivered(delivery: rdkafka::producer::DeliveryFuture, topic: Topic) -> DeliveryFuture {
    DeliveryFuture::new(async move {
        let outcome = match delivery.await {
            Ok(Ok(at)) => Ok(Delivery::new(at.partition, at.offset)),
            Ok(Err((error, _record))) => Err(ServiceError::from(error)),
            Err(gone) => {
                let error = ServiceError::Cancelled("producer was dropped".into());
                Err(error.with_source(gone))
            }
        };
        let error_type = match &outcome {
            Ok(_) => "",
            Err(error) => error.kind().code(),
        };
        metrics::counter!(
            "messaging.client.sent.messages",
            "messaging.destination.name" => topic.label(),
            "error.type" => error_type,
        )
        .increment(1);
        outcome
    })
}

#[async_trait]
impl EventPublisher for KafkaPublisher {
    async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError> {
        Self::publish(self, record).await
    }
}

impl From<FutureProducer> for KafkaPublisher {
    fn from(producer: FutureProducer) -> Self {
        Self::new(producer)
    }
}

impl fmt::Debug for KafkaPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaPublisher").finish_non_exhaustive()
    }
}
