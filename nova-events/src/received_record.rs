use std::str::FromStr;

use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_models::TraceContext;
use uuid::Uuid;

use crate::field::{check_name, invalid, refused};
use crate::{
    DomainEvent, Event, EventMetadata, EventRecord, OlderPayload, Topic, cloud_events,
    record_header as header,
};

/// A record as it was read, and where it stood.
///
/// ```
/// use nova_events::social::FollowCreated;
/// use nova_events::{EventRecord, NewEvent, ReceivedRecord, TopicPrefix};
/// use uuid::Uuid;
///
/// let event = NewEvent::new(&FollowCreated {
///     follower_id: Uuid::from_u128(1),
///     followee_id: Uuid::from_u128(2),
///     created_at: "2025-10-28T00:00:00Z".parse()?,
/// })?;
/// let topic = TopicPrefix::default().topic_for(event.aggregate_type())?;
/// let received = ReceivedRecord::new(EventRecord::from_event(&event, None, topic), 0, 42);
///
/// let follow = received.decode::<FollowCreated>()?;
/// assert_eq!(follow.metadata.event_id, event.event_id());
/// assert_eq!(follow.followee_id, Uuid::from_u128(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRecord {
    record: EventRecord,
    partition: i32,
    offset: i64,
    timestamp: Option<DateTime<Utc>>,
}

impl ReceivedRecord {
    /// The record that stood at `offset` of `partition`.
    #[must_use]
    pub const fn new(record: EventRecord, partition: i32, offset: i64) -> Self {
        Self {
            record,
            partition,
            offset,
            timestamp: None,
        }
    }

    /// Sets the broker's time of the record.
    #[must_use]
    pub const fn with_timestamp(mut self, timestamp: DateTime<Utc>) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The record.
    #[must_use]
    pub const fn record(&self) -> &EventRecord {
        &self.record
    }

    /// The record, alone.
    #[must_use]
    pub fn into_record(self) -> EventRecord {
        self.record
    }

    /// The partition that it was read from.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        self.partition
    }

    /// Its offset there.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.offset
    }

    /// The broker's time of the record.
    #[must_use]
    pub const fn timestamp(&self) -> Option<DateTime<Utc>> {
        self.timestamp
    }

    /// Reads the headers, ours or those of the CloudEvents binding in binary mode; ours count where a record has both.
    ///
    /// A missing `schema_version` reads as 1; where `aggregate_id` is missing the key stands in, for
    /// `created_at` the broker's time. On a topic of the first generation, whose records have no headers, the
    /// event type is the topic and the id is the UUIDv5 (OID namespace) of `topic/partition/offset`. The id of a CloudEvent
    /// that is not a UUID becomes the UUIDv5 (OID namespace) of `source/id`. Records of these two kinds need no key: the
    /// aggregate id is empty without one.
    ///
    /// # Errors
    ///
    /// `Validation` where a required header is missing or malformed: the record is poison.
    pub fn metadata(&self) -> Result<EventMetadata, ServiceError> {
        let topic = self.record.topic();
        let event_type = self.event_type()?;
        check_name(header::EVENT_TYPE, event_type)?;
        Ok(EventMetadata {
            event_id: self.event_id(topic)?,
            event_type: event_type.to_owned(),
            aggregate_type: self
                .text(header::AGGREGATE_TYPE)?
                .map_or_else(|| aggregate_type_of(topic, event_type), str::to_owned),
            aggregate_id: self.aggregate_id()?.to_owned(),
            created_at: self.created_at()?,
            schema_version: self.schema_version()?,
            source: self
                .optional(header::SOURCE)
                .or_else(|| self.optional(header::CE_SOURCE)),
            seq: self.parsed(header::SEQ),
            correlation_id: self.optional(header::CORRELATION_ID),
            causation_id: self.optional(header::CAUSATION_ID),
            trace: self.trace(),
            topic: topic.clone(),
            partition: self.partition,
            offset: self.offset,
        })
    }

    /// Reads headers and payload, whatever the event type says.
    ///
    /// # Errors
    ///
    /// `Validation` for poison: see [`metadata`](Self::metadata); a tombstone; a value that is not the JSON of `T`.
    pub fn decode<T: DomainEvent>(&self) -> Result<Event<T>, ServiceError> {
        self.decode_with(self.metadata()?)
    }

    pub(crate) fn decode_with<T: DomainEvent>(
        &self,
        metadata: EventMetadata,
    ) -> Result<Event<T>, ServiceError> {
        let Some(value) = self.record.value() else {
            return Err(refused("value", "expected a payload, got a tombstone"));
        };
        let payload = payload(metadata.schema_version, value)?;
        Ok(Event::new(metadata, payload))
    }

    /// The routing key.
    pub(crate) fn event_type(&self) -> Result<&str, ServiceError> {
        if let Some(event_type) = self.text(header::EVENT_TYPE)? {
            return Ok(event_type);
        }
        cloud_events::check(&self.record)?;
        if let Some(event_type) = self.text(header::CE_TYPE)? {
            return Ok(event_type);
        }
        let topic = self.record.topic();
        if topic.is_older() {
            return Ok(topic);
        }
        Err(missing(header::EVENT_TYPE))
    }

    fn event_id(&self, topic: &Topic) -> Result<Uuid, ServiceError> {
        if let Some(id) = self.text(header::EVENT_ID)? {
            return id
                .parse()
                .map_err(|error| invalid(header::EVENT_ID, "a UUID", id).with_source(error));
        }
        if let Some(id) = self.text(header::CE_ID)? {
            return cloud_events::event_id(id, self.text(header::CE_SOURCE)?);
        }
        if topic.is_older() {
            let position = format!("{topic}/{}/{}", self.partition, self.offset);
            return Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, position.as_bytes()));
        }
        Err(missing(header::EVENT_ID))
    }

    fn aggregate_id(&self) -> Result<&str, ServiceError> {
        if let Some(id) = self.text(header::AGGREGATE_ID)? {
            return Ok(id);
        }
        let key = self.record.key().and_then(|key| str::from_utf8(key).ok());
        match key {
            Some(key) => Ok(key),
            None if self.record.topic().is_older() || self.is_cloud_event() => Ok(""),
            None => Err(missing(header::AGGREGATE_ID)),
        }
    }

    fn is_cloud_event(&self) -> bool {
        self.record.header(header::CE_ID).is_some()
    }

    fn created_at(&self) -> Result<DateTime<Utc>, ServiceError> {
        if let Some(text) = self.either(header::CREATED_AT, header::CE_TIME)? {
            return DateTime::parse_from_rfc3339(text)
                .map(|time| time.to_utc())
                .map_err(|error| {
                    invalid(header::CREATED_AT, "an RFC 3339 time", text).with_source(error)
                });
        }
        self.timestamp.ok_or_else(|| missing(header::CREATED_AT))
    }

    fn schema_version(&self) -> Result<u32, ServiceError> {
        let Some(text) = self.text(header::SCHEMA_VERSION)? else {
            return Ok(1);
        };
        match text.parse() {
            Ok(version @ 1..) => Ok(version),
            _ => Err(invalid(header::SCHEMA_VERSION, "an integer from 1", text)),
        }
    }

    /// A malformed trace is no reason to refuse an event: the standard says to start a new one.
    fn trace(&self) -> Option<TraceContext> {
        let read = |parent, state| {
            let parent: String = self.optional(parent)?;
            TraceContext::parse(&parent, self.optional(state).as_deref()).ok()
        };
        read(header::TRACEPARENT, header::TRACESTATE)
            .or_else(|| read(header::CE_TRACEPARENT, header::CE_TRACESTATE))
    }

    fn either(&self, name: &str, cloud_events: &str) -> Result<Option<&str>, ServiceError> {
        match self.text(name)? {
            Some(text) => Ok(Some(text)),
            None => self.text(cloud_events),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, ServiceError> {
        self.record
            .header(name)
            .map(str::from_utf8)
            .transpose()
            .map_err(|error| refused(name, "expected UTF-8").with_source(error))
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.parsed(name)
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        str::from_utf8(self.record.header(name)?).ok()?.parse().ok()
    }
}

/// Whatever an upcast complains of, the record is poison: a retry would not change it.
pub(crate) fn payload<T: DomainEvent>(version: u32, value: &[u8]) -> Result<T, ServiceError> {
    if version < T::SCHEMA_VERSION {
        return T::upcast(OlderPayload::new(version, value)).map_err(|error| {
            let (name, newest) = (T::EVENT_TYPE, T::SCHEMA_VERSION);
            let what = format!("version {version} of {name} cannot be read as version {newest}");
            refused("value", what).with_source(error)
        });
    }
    serde_json::from_slice(value).map_err(|error| {
        let name = T::EVENT_TYPE;
        let what = if version == T::SCHEMA_VERSION {
            format!("payload is not a {name}")
        } else {
            let newest = T::SCHEMA_VERSION;
            format!("version {version} of {name} cannot be read: {newest} is the newest known")
        };
        refused("value", what).with_source(error)
    })
}

/// `{prefix}.{aggregate_type}.events`, or what the event type begins with.
fn aggregate_type_of(topic: &Topic, event_type: &str) -> String {
    let of_topic = topic
        .strip_suffix(".events")
        .and_then(|rest| rest.rsplit_once('.'))
        .map(|(_, aggregate_type)| aggregate_type);
    let of_type = event_type.split('.').next();
    of_topic.or(of_type).unwrap_or_default().to_owned()
}

fn missing(name: &str) -> ServiceError {
    refused(name, "the header is required")
}
