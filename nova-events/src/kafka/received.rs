use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use chrono::DateTime;
use rdkafka::Message;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers};

use crate::event_record::{HeaderValue, RecordHeader};
use crate::{EventRecord, ReceivedRecord, Topic, record_header};

/// What a header takes, about.
const HEADER: usize = 40;

/// Copies a message out of the client's memory, into one allocation.
pub(super) fn received(message: &BorrowedMessage<'_>, topic: Topic) -> ReceivedRecord {
    let (key, value) = (message.key(), message.payload());
    let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let headers = message.headers();
    let count = headers.map_or(0, Headers::count);
    let mut copy = Vec::with_capacity(len(key) + len(value) + count * HEADER);
    copy.extend_from_slice(key.unwrap_or_default());
    copy.extend_from_slice(value.unwrap_or_default());
    // The client panics at a header name that is not UTF-8. Such a record is left without
    // headers, and so is poison.
    let headers = headers.and_then(|headers| {
        let walk = AssertUnwindSafe(|| read(headers, count, &mut copy));
        catch_unwind(walk).ok()
    });
    let copy = Bytes::from(copy);
    let (key_end, value_end) = (len(key), len(key) + len(value));
    let key = key.map(|_| copy.slice(..key_end));
    let value = value.map(|_| copy.slice(key_end..value_end));
    let record =
        EventRecord::new(topic, key, value).with_read_headers(headers.unwrap_or_default(), copy);
    let received = ReceivedRecord::new(record, message.partition(), message.offset());
    let timestamp = message.timestamp().to_millis();
    match timestamp.and_then(DateTime::from_timestamp_millis) {
        Some(timestamp) => received.with_timestamp(timestamp),
        None => received,
    }
}

/// Adds the values to the copy.
fn read(headers: &BorrowedHeaders, count: usize, copy: &mut Vec<u8>) -> Vec<RecordHeader> {
    let mut named = Vec::with_capacity(count);
    for header in headers.iter() {
        let name = record_header::known(header.key)
            .map_or_else(|| Cow::Owned(header.key.to_owned()), Cow::Borrowed);
        let value = header.value.map_or(HeaderValue::Null, |value| {
            let start = copy.len();
            copy.extend_from_slice(value);
            HeaderValue::Read(start..copy.len())
        });
        named.push((name, value));
    }
    named
}
