use std::sync::Arc;

use chrono::Utc;
use nova_errors::{Backoff, Chain, ErrorKind, ServiceError};

use super::Stop;
use super::stuck_letters::StuckLetters;
use crate::event_record::timestamp;
use crate::{ConsumerGroup, EventPublisher, EventRecord, ReceivedRecord};

// Beside these a dead letter has the headers of the original.
pub(crate) const DLQ_PREFIX: &str = "dlq_";
const DLQ_ERROR_CODE: &str = "dlq_error_code";
const DLQ_ERROR_MESSAGE: &str = "dlq_error_message";
const DLQ_ATTEMPTS: &str = "dlq_attempts";
const DLQ_FAILED_AT: &str = "dlq_failed_at";
const DLQ_CONSUMER_GROUP: &str = "dlq_consumer_group";
pub(crate) const DLQ_ORIGINAL_TOPIC: &str = "dlq_original_topic";
const DLQ_ORIGINAL_PARTITION: &str = "dlq_original_partition";
const DLQ_ORIGINAL_OFFSET: &str = "dlq_original_offset";
pub(crate) const DLQ_REPLAY_COUNT: &str = "dlq_replay_count";

/// The longest error message in a dead letter, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Where records go that cannot be handled.
pub(crate) struct DeadLetters {
    publisher: Arc<dyn EventPublisher>,
    stuck: StuckLetters,
}

impl DeadLetters {
    pub(crate) fn new(publisher: Arc<dyn EventPublisher>) -> Self {
        Self {
            publisher,
            stuck: StuckLetters::default(),
        }
    }

    /// Fails while a dead letter waits to be published again: its partition stands still.
    pub(crate) fn check(&self) -> Result<(), ServiceError> {
        self.stuck.check()
    }

    /// Publishes the dead letter of a record and waits until it is acknowledged, however long that takes: the
    /// record must not count as done before. `None` where draining began first.
    pub(crate) async fn send(
        &self,
        record: &ReceivedRecord,
        group: &ConsumerGroup,
        error: &ServiceError,
        attempts: u32,
        stop: &Stop,
    ) -> Option<()> {
        let mut letter = dead_letter(record, group, error, attempts);
        let mut failures = 0_u32;
        let mut watched = self.stuck.watch();
        loop {
            let failure = match stop.until_cancel(self.publish(letter.clone())).await? {
                Ok(()) => return Some(()),
                Err(failure) => failure,
            };
            failures = failures.saturating_add(1);
            watched.failed(&failure);
            tracing::error!(
                topic = %letter.topic(),
                failures,
                error = %Chain(&failure),
                "a dead letter could not be published; it is tried again"
            );
            if failure.kind() == ErrorKind::PayloadTooLarge {
                // The headers say where the record stands: better a letter without its value than
                // a partition that stops.
                letter = letter.without_value();
            }
            let wait = Backoff::STANDARD.delay(failures, fastrand::u64(..));
            stop.until_drain(tokio::time::sleep(wait)).await?;
        }
    }

    async fn publish(&self, letter: EventRecord) -> Result<(), ServiceError> {
        self.publisher.publish(letter).await?.await.map(|_| ())
    }
}

/// The original record with the cause in its headers.
pub(crate) fn dead_letter(
    received: &ReceivedRecord,
    group: &ConsumerGroup,
    error: &ServiceError,
    attempts: u32,
) -> EventRecord {
    let record = received.record();
    let replays = replays_of(record);
    record
        .clone()
        .without_headers(|name| name.starts_with(DLQ_PREFIX))
        .with_topic(record.topic().dead_letter())
        .with_header(DLQ_ERROR_CODE, error.code().to_owned())
        .with_header(DLQ_ERROR_MESSAGE, message(error))
        .with_header(DLQ_ATTEMPTS, attempts.to_string())
        .with_header(DLQ_FAILED_AT, timestamp(Utc::now()))
        .with_header(DLQ_CONSUMER_GROUP, group.to_string())
        .with_header(DLQ_ORIGINAL_TOPIC, record.topic().to_string())
        .with_header(DLQ_ORIGINAL_PARTITION, received.partition().to_string())
        .with_header(DLQ_ORIGINAL_OFFSET, received.offset().to_string())
        .with_header(DLQ_REPLAY_COUNT, replays.to_string())
}

/// How often a record, dead letter or not, was replayed.
pub(crate) fn replays_of(record: &EventRecord) -> u32 {
    record
        .header(DLQ_REPLAY_COUNT)
        .and_then(|count| str::from_utf8(count).ok()?.parse().ok())
        .unwrap_or(0)
}

fn message(error: &ServiceError) -> String {
    let mut text = Chain(error).to_string();
    let end = text.floor_char_boundary(MAX_MESSAGE);
    text.truncate(end);
    text
}
