//! The part that knows Kafka's client.

mod assignment;
mod client_settings;
mod consumer_builder;
mod consumer_context;
mod consumer_handle;
mod consumer_health;
mod consumer_thread;
mod dead_letter_replay;
#[cfg(feature = "test-util")]
mod embedded_kafka;
mod event_consumer;
mod kafka_publisher;
mod lazy_publisher;
mod publisher_builder;
mod received;

pub use consumer_builder::{EventConsumerBuilder, StartFrom};
pub use consumer_handle::ConsumerHandle;
pub use dead_letter_replay::{
    DeadLetterReplay, DeadLetterReplayBuilder, ReplayDecision, ReplayReport,
};
#[cfg(feature = "test-util")]
pub use embedded_kafka::EmbeddedKafka;
pub use event_consumer::EventConsumer;
pub use kafka_publisher::KafkaPublisher;
pub use publisher_builder::KafkaPublisherBuilder;
