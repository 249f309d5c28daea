//! Event schemas, the record format, the publisher, and the consumer runtime.
//!
//! An event is a typed payload ([`DomainEvent`]); what else there is to say about it goes into the
//! record's headers ([`EventRecord`], [`EventMetadata`]). The events of the platform are in [`analytics`], [`content`],
//! [`identity`], [`media`], [`message`], [`notification`], [`social`] and [`streaming`]; your own are a type and a
//! [`domain_event!`] away. Records of older versions are [upcast](DomainEvent#versions), so that a handler sees the
//! newest type alone.
//!
//! With the feature `kafka`, `KafkaPublisher` sends records in order, pipelined, to the partitions that every
//! other client would choose; and `EventConsumer` runs an async function for each event: at least once, in order within a
//! key, keys side by side, with retries, deduplication and dead letters.
//!
//! ```
//! # #[cfg(all(feature = "kafka", feature = "test-util"))]
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! use nova_errors::ServiceError;
//! use nova_events::social::FollowCreated;
//! use nova_events::{
//!     Event, EventConsumer, EventRecord, MemoryIdempotency, NewEvent, Outcome, ReceivedRecord,
//!     TopicPrefix,
//! };
//! use uuid::Uuid;
//!
//! async fn notify(event: Event<FollowCreated>) -> Result<(), ServiceError> {
//!     println!("{} has a new follower", event.followee_id);
//!     Ok(())
//! }
//!
//! let consumer = EventConsumer::builder()
//!     .brokers("localhost:9092")
//!     .group("notification-service-group")
//!     .topics(["nova.social.events"])
//!     .on(|event: Event<FollowCreated>| notify(event))
//!     .idempotency(MemoryIdempotency::default())
//!     .build()?;
//!
//! // A service hands it to its supervisor; a test delivers a record, without a broker.
//! let event = NewEvent::new(&FollowCreated {
//!     follower_id: Uuid::from_u128(1),
//!     followee_id: Uuid::from_u128(2),
//!     created_at: "2025-10-28T00:00:00Z".parse().unwrap(),
//! })?;
//! let topic = TopicPrefix::default().topic_for(event.aggregate_type())?;
//! let record = EventRecord::from_event(&event, None, topic);
//! let received = ReceivedRecord::new(record, 0, 42);
//! assert_eq!(consumer.deliver(received.clone()).await, Outcome::Handled);
//! assert_eq!(consumer.deliver(received).await, Outcome::Duplicate);
//! # Ok::<(), ServiceError>(())
//! # }).unwrap();
//! ```
//!
//! # What a handler has to know
//!
//! It may run more than once for an event: after a failure, a time-out, a crash or a rebalance. An
//! [`IdempotencyStore`] keeps what was confirmed from running again; between the effect and the confirmation there is
//! a moment in which a crash makes it run twice, so an effect that must not be doubled belongs into the same transaction as
//! its mark: `on_tx` and `on_batch`, with a `SqlInbox`. A deletion is terminal: an update of a deleted aggregate that comes late changes nothing.
//!
//! An error that [may pass](nova_errors::ServiceError::is_retryable) is tried again; any other sends the record to
//! the dead letters at once.
//!
//! # Bounds
//!
//! | what | default | set by |
//! |---|---|---|
//! | handlers at once | 64 | `concurrency` |
//! | records of a partition beyond the first that is not done | 1000 | `partition_window` |
//! | bytes in flight | 64 MiB | `max_in_flight_bytes` |
//! | bytes that the client reads ahead | 16 MiB | `setting("queued.max.messages.kbytes", …)` |
//! | one run of a handler | 30 s | `handler_timeout` |
//! | attempts | 10, waits up to 30 s | `retry` |
//! | drain at a shutdown or revocation | 5 s | `drain_timeout` |
//! | events of a batch | 500 | `batch_size` |
//! | events that [`MemoryIdempotency`] remembers | 100 000, for 24 h | `new` |
//! | events that `RedisIdempotency` and `SqlInbox` remember | those of 7 days | `retention` |
//! | what a crash repeats, beside what was not done | 1 s | – |
//! | replays of a dead letter | 3 | `max_replays` |
//! | records that wait for their acknowledgement | 10 000 or 64 MiB | `max_in_flight`, `max_in_flight_bytes` |
//! | delivery of a record | 30 s | `delivery_timeout` |
//! | payload of an event | 960 KiB | – |
//!
//! # What is read
//!
//! Records with the headers of [`EventRecord::from_event`], those of the CloudEvents 1.0 binding in binary mode (written too, with
//! [`EventRecord::with_cloud_events`]), and records without headers on the topics of the platform's
//! first generation ([`Topic::is_older`]), where the topic is the event type. A null value is a tombstone, which
//! consumers pass over.
//!
//! # Metrics
//!
//! Through the `metrics` facade, whose recorder has to be installed before a consumer starts: `nova_consumer_handled_total` (`group`, `event_type`, `outcome`),
//! `nova_consumer_dead_lettered_total` (`group`, `topic`, `code`), `kafka_consumergroup_lag` (`group`, `topic`,
//! `partition`; records that are not committed), `nova_consumer_lag_seconds` (the same labels; the age of the first
//! record that was read and is not done), `messaging.process.duration` in seconds, `messaging.client.sent.messages`.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `kafka` | the publisher, the consumer and the replay of dead letters, over librdkafka |
//! | `postgres`, `sqlite` | `SqlInbox`; with `kafka`, `on_tx` and `on_batch` |
//! | `redis` | `RedisIdempotency` |
//! | `cli` | the command `nova-events` |
//! | `schemas` | `schemas`: JSON Schemas, the AsyncAPI document, and the check for breaking changes |
//! | `test-util` | `RecordingPublisher`, the conformance suites and, with `kafka`, `EmbeddedKafka` and delivery without a broker |

mod catalogue;
mod cloud_events;
#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(feature = "kafka")]
mod consumer;
mod consumer_group;
mod domain_event;
mod event;
mod event_metadata;
mod event_publisher;
mod event_record;
mod field;
mod idempotency;
#[cfg(feature = "kafka")]
mod kafka;
mod murmur2;
mod new_event;
mod older_payload;
mod received_record;
mod record_header;
#[cfg(feature = "test-util")]
mod recording_publisher;
#[cfg(feature = "schemas")]
pub mod schemas;
mod topic;

pub use catalogue::{
    analytics, content, identity, media, message, notification, social, streaming,
};
#[cfg(feature = "kafka")]
pub use consumer::{EventReply, EventRequest, EventService, Outcome};
pub use consumer_group::ConsumerGroup;
pub use domain_event::DomainEvent;
pub use event::Event;
pub use event_metadata::EventMetadata;
pub use event_publisher::{Delivery, DeliveryFuture, EventPublisher};
pub use event_record::EventRecord;
#[cfg(feature = "redis")]
pub use idempotency::RedisIdempotency;
pub use idempotency::{Claim, ClaimId, IdempotencyKey, IdempotencyStore, MemoryIdempotency};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use idempotency::{InboxDatabase, InboxPurge, SqlInbox, migrate_inbox};
#[cfg(all(feature = "kafka", feature = "test-util"))]
pub use kafka::EmbeddedKafka;
#[cfg(feature = "kafka")]
pub use kafka::{
    ConsumerHandle, DeadLetterReplay, DeadLetterReplayBuilder, EventConsumer, EventConsumerBuilder,
    KafkaPublisher, KafkaPublisherBuilder, ReplayDecision, ReplayReport, StartFrom,
};
pub use murmur2::murmur2;
pub use new_event::{EventParts, NewEvent};
pub use older_payload::OlderPayload;
pub use received_record::ReceivedRecord;
#[cfg(feature = "test-util")]
pub use recording_publisher::RecordingPublisher;
pub use topic::{Topic, TopicPrefix};

// `domain_event!` names it where its user may not depend on `nova-errors`.
#[doc(hidden)]
pub use nova_errors::ServiceError as __ServiceError;
