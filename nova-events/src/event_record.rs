use std::borrow::Cow;
use std::fmt;
#[cfg(feature = "kafka")]
use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::{NewEvent, Topic, record_header as header};

/// A record as it goes over the wire: topic, key, value, headers.
///
/// The value is the bare payload; everything else that an event says is a header. A null value is
/// a tombstone.
///
/// ```
/// use nova_events::{EventRecord, NewEvent, TopicPrefix};
/// use nova_events::social::FollowCreated;
/// use uuid::Uuid;
///
/// let event = NewEvent::new(&FollowCreated {
///     follower_id: Uuid::from_u128(1),
///     followee_id: Uuid::from_u128(2),
///     created_at: "2025-10-28T00:00:00Z".parse()?,
/// })?;
/// let topic = TopicPrefix::default().topic_for(event.aggregate_type())?;
/// let record = EventRecord::from_event(&event, Some(7), topic);
/// assert_eq!(record.key().unwrap(), event.aggregate_id().as_bytes());
/// assert_eq!(record.header("seq"), Some("7".as_bytes()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EventRecord {
    topic: Topic,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<RecordHeader>,
    /// Where the values of the headers lie that were read together.
    #[cfg(feature = "kafka")]
    read: Bytes,
}

/// One header: a name, and a value that is UTF-8 text where the contract rules.
pub(crate) type RecordHeader = (Cow<'static, str>, HeaderValue);

/// The value of a header; null is not empty.
#[derive(Debug, Clone)]
pub(crate) enum HeaderValue {
    Null,
    Own(Bytes),
    /// A part of what was read with the record: a count of references for each would cost more than the rest of it.
    #[cfg(feature = "kafka")]
    Read(Range<usize>),
}

impl EventRecord {
    /// A record without headers.
    #[must_use]
    pub const fn new(topic: Topic, key: Option<Bytes>, value: Option<Bytes>) -> Self {
        Self {
            topic,
            key,
            value,
            headers: Vec::new(),
            #[cfg(feature = "kafka")]
            read: Bytes::new(),
        }
    }

    /// A record with a key and a null value: on a compacted topic it lets the broker drop what the key said before.
    /// Consumers pass over it.
    #[must_use]
    pub fn tombstone(topic: Topic, key: impl Into<Bytes>) -> Self {
        Self::new(topic, Some(key.into()), None)
    }

    /// Whether the value is null.
    #[must_use]
    pub const fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }

    /// The record of an event; `seq` is the outbox's sequence, where it went through one.
    #[must_use]
    pub fn from_event(event: &NewEvent, seq: Option<i64>, topic: Topic) -> Self {
        let id = Bytes::copy_from_slice(event.aggregate_id().as_bytes());
        let mut record = Self::new(topic, Some(id.clone()), Some(event.payload().clone()));
        record.headers.reserve(12);
        let record = record
            .with_header(header::EVENT_ID, event.event_id().to_string())
            .with_header(header::EVENT_TYPE, event.event_type().to_owned())
            .with_header(header::AGGREGATE_TYPE, event.aggregate_type().to_owned())
            .with_header(header::AGGREGATE_ID, id)
            .with_header(header::CREATED_AT, timestamp(event.created_at()))
            .with_header(header::SCHEMA_VERSION, event.schema_version().to_string());
        let trace = event.trace();
        let optional = [
            (header::SOURCE, event.source().map(str::to_owned)),
            (header::SEQ, seq.map(|seq| seq.to_string())),
            (
                header::CORRELATION_ID,
                event.correlation_id().map(str::to_owned),
            ),
            (
                header::CAUSATION_ID,
                event.causation_id().map(str::to_owned),
            ),
            (
                header::TRACEPARENT,
                trace.map(|trace| trace.traceparent().to_owned()),
            ),
            (
                header::TRACESTATE,
                trace.and_then(|trace| trace.tracestate().map(str::to_owned)),
            ),
        ];
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .fold(record, |record, (name, value)| {
                record.with_header(name, value)
            })
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Bytes>,
    ) -> Self {
        self.headers
            .push((name.into(), HeaderValue::Own(value.into())));
        self
    }

    /// Adds a header whose value is null, which is not the same as an empty one.
    #[must_use]
    pub fn with_null_header(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name.into(), HeaderValue::Null));
        self
    }

    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The same record for another topic.
    #[must_use]
    pub fn with_topic(mut self, topic: Topic) -> Self {
        self.topic = topic;
        self
    }

    /// The key: the aggregate id.
    #[must_use]
    pub const fn key(&self) -> Option<&Bytes> {
        self.key.as_ref()
    }

    /// The value: the payload; `None` for a tombstone.
    #[must_use]
    pub const fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }

    /// The headers in order; `None` for a header whose value is null.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&str, Option<&[u8]>)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_ref(), self.bytes(value)))
    }

    /// The last header of that name, unless it is null.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().rev().find(|(n, _)| n == name)?;
        self.bytes(value)
    }

    fn bytes<'a>(&'a self, value: &'a HeaderValue) -> Option<&'a [u8]> {
        match value {
            HeaderValue::Null => None,
            HeaderValue::Own(bytes) => Some(bytes),
            #[cfg(feature = "kafka")]
            HeaderValue::Read(range) => self.read.get(range.clone()),
        }
    }

    /// The bytes that the record holds: key, value and headers.
    #[must_use]
    pub fn size(&self) -> usize {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = self
            .headers()
            .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}

#[cfg(feature = "kafka")]
impl EventRecord {
    /// Sets the headers, with what their values are parts of.
    pub(crate) fn with_read_headers(mut self, headers: Vec<RecordHeader>, read: Bytes) -> Self {
        self.headers = headers;
        self.read = read;
        self
    }

    pub(crate) fn without_value(mut self) -> Self {
        self.value = None;
        self
    }

    pub(crate) fn without_headers(mut self, unwanted: impl Fn(&str) -> bool) -> Self {
        self.headers.retain(|(name, _)| !unwanted(name));
        self
    }
}

impl PartialEq for EventRecord {
    fn eq(&self, other: &Self) -> bool {
        self.topic == other.topic
            && self.key == other.key
            && self.value == other.value
            && self.headers().eq(other.headers())
    }
}

impl Eq for EventRecord {}

impl fmt::Debug for EventRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers().map(|(name, value)| {
            let value = value.map(Bytes::copy_from_slice);
            (name, value)
        });
        f.debug_struct("EventRecord")
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("value", &self.value)
            .field("headers", &headers.collect::<Vec<_>>())
            .finish()
    }
}

/// RFC 3339 with microseconds, in UTC.
pub(crate) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
