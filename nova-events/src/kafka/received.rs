use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use chrono::DateTime;
use rdkafka::Message;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers};

use crate::{EventRecord, ReceivedRecord, Topic};

/// Copies a message out of the client's memory.
pub(super) fn received(message: &BorrowedMessage<'_>, topic: Topic) -> ReceivedRecord {
    let key = message.key().map(Bytes::copy_from_slice);
    let value = message.payload().map(Bytes::copy_from_slice);
    let mut record = EventRecord::new(topic, key, value);
    if let Some(headers) = message.headers() {
        // The client panics at a header name that is not UTF-8. Such a record is left without
        // headers, and so is poison.
        let plain = record.clone();
        record = catch_unwind(AssertUnwindSafe(|| with_headers(record, headers))).unwrap_or(plain);
    }
    let received = ReceivedRecord::new(record, message.partition(), message.offset());
    let timestamp = message.timestamp().to_millis();
    match timestamp.and_then(DateTime::from_timestamp_millis) {
        Some(timestamp) => received.with_timestamp(timestamp),
        None => received,
    }
}

fn with_headers(record: EventRecord, headers: &BorrowedHeaders) -> EventRecord {
    headers.iter().fold(record, |record, header| {
        let name = header.key.to_owned();
        match header.value {
            Some(value) => record.with_header(name, Bytes::copy_from_slice(value)),
            None => record.with_null_header(name),
        }
    })
}
