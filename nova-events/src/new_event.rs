use std::borrow::Cow;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use nova_errors::ServiceError;
use nova_models::{CallContext, RequestId, ServiceName, TraceContext};
use uuid::Uuid;

use crate::field::{MAX_NAME, check_name, check_text, refused};
use crate::{DomainEvent, EventMetadata};

/// An event that is about to go out: type-erased, so that a batch can mix types, and valid by
/// construction.
///
/// The payload is serialized once; the same bytes go through the outbox and over the wire. The
/// correlation id and the trace are those of [`CallContext::current`], unless set.
///
/// ```
/// use nova_events::NewEvent;
/// use nova_events::social::FollowCreated;
/// use uuid::Uuid;
///
/// let follow = FollowCreated {
///     follower_id: Uuid::from_u128(1),
///     followee_id: Uuid::from_u128(2),
///     created_at: "2025-10-28T00:00:00Z".parse()?,
/// };
/// let event = NewEvent::new(&follow)?.with_source(&"user-service".parse()?);
/// assert_eq!(event.event_type(), "social.follow.created");
/// assert_eq!(event.source(), Some("user-service"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent(EventParts);

/// The parts of a [`NewEvent`], for whoever stores events and rebuilds them, such as an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventParts {
    /// The deduplication key.
    pub event_id: Uuid,
    /// The routing key: 1 to 128 characters of `[A-Za-z0-9._-]`.
    pub event_type: Cow<'static, str>,
    /// What decides the topic: 1 to 128 characters of `[A-Za-z0-9._-]`.
    pub aggregate_type: Cow<'static, str>,
    /// The record key: 1 to [`NewEvent::MAX_AGGREGATE_ID`] bytes without control characters.
    pub aggregate_id: String,
    /// The exact bytes of the record's value: at most [`NewEvent::MAX_PAYLOAD`].
    pub payload: Bytes,
    /// The version of the payload's schema, from 1.
    pub schema_version: u32,
    /// When it happened; kept with microseconds.
    pub created_at: DateTime<Utc>,
    /// The producing service: at most 128 bytes.
    pub source: Option<String>,
    /// The request that it belongs to: at most 128 bytes.
    pub correlation_id: Option<String>,
    /// The event that caused it: at most 128 bytes.
    pub causation_id: Option<String>,
    /// The trace of the producer.
    pub trace: Option<TraceContext>,
}

impl NewEvent {
    /// The largest payload, in bytes: 960 KiB, which leaves room for headers below the 1 MB that
    /// clients and brokers take by default.
    pub const MAX_PAYLOAD: usize = 960 * 1024;

    /// The longest aggregate id, in bytes.
    pub const MAX_AGGREGATE_ID: usize = 256;

    /// Serializes `event`, with a new id (UUIDv7) and the current time.
    ///
    /// # Errors
    ///
    /// `Validation` for an aggregate id or a name outside its grammar, `PayloadTooLarge` for a payload over
    /// [`MAX_PAYLOAD`](Self::MAX_PAYLOAD), `Internal` where the type does not serialize.
    pub fn new<E: DomainEvent>(event: &E) -> Result<Self, ServiceError> {
        let payload = serde_json::to_vec(event).map_err(|error| {
            ServiceError::Internal(format!("serialize event {}", E::EVENT_TYPE).into())
                .with_source(error)
        })?;
        let context = CallContext::current().unwrap_or_default();
        Self::from_parts(EventParts {
            event_id: Uuid::now_v7(),
            event_type: Cow::Borrowed(E::EVENT_TYPE),
            aggregate_type: Cow::Borrowed(E::AGGREGATE_TYPE),
            aggregate_id: event.aggregate_id(),
            payload: payload.into(),
            schema_version: E::SCHEMA_VERSION,
            created_at: Utc::now(),
            source: None,
            correlation_id: context.request_id.map(String::from),
            causation_id: None,
            trace: context.trace,
        })
    }

    /// Rebuilds an event from its parts.
    ///
    /// # Errors
    ///
    /// `Validation` for a part outside its grammar, `PayloadTooLarge` for a payload over
    /// [`MAX_PAYLOAD`](Self::MAX_PAYLOAD).
    pub fn from_parts(mut parts: EventParts) -> Result<Self, ServiceError> {
        check_name("event_type", &parts.event_type)?;
        check_name("aggregate_type", &parts.aggregate_type)?;
        check_text("aggregate_id", &parts.aggregate_id, Self::MAX_AGGREGATE_ID)?;
        if parts.schema_version == 0 {
            return Err(refused("schema_version", "expected 1 or more, got 0"));
        }
        let optional = [
            ("source", &parts.source),
            ("correlation_id", &parts.correlation_id),
            ("causation_id", &parts.causation_id),
        ];
        for (field, text) in optional {
            if let Some(text) = text {
                check_text(field, text, MAX_NAME)?;
            }
        }
        if parts.payload.len() > Self::MAX_PAYLOAD {
            return Err(ServiceError::PayloadTooLarge(
                format!(
                    "payload of event {}: {} bytes, at most {}",
                    parts.event_type,
                    parts.payload.len(),
                    Self::MAX_PAYLOAD
                )
                .into(),
            ));
        }
        parts.created_at = parts.created_at.trunc_subsecs(6);
        Ok(Self(parts))
    }

    /// The parts, to be stored.
    #[must_use]
    pub fn into_parts(self) -> EventParts {
        self.0
    }

    /// Sets the producing service.
    #[must_use]
    pub fn with_source(mut self, source: &ServiceName) -> Self {
        self.0.source = Some(source.as_str().to_owned());
        self
    }

    /// Sets the request that the event belongs to.
    #[must_use]
    pub fn with_correlation_id(mut self, request: RequestId) -> Self {
        self.0.correlation_id = Some(request.into());
        self
    }

    /// Sets the event that caused this one.
    #[must_use]
    pub fn with_causation_id(mut self, event_id: Uuid) -> Self {
        self.0.causation_id = Some(event_id.to_string());
        self
    }

    /// Sets the trace.
    #[must_use]
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        self.0.trace = Some(trace);
        self
    }

    /// Makes the event a consequence of a consumed one: its id becomes the causation, and its
    /// correlation id is handed on.
    #[must_use]
    pub fn caused_by(mut self, cause: &EventMetadata) -> Self {
        if let Some(correlation) = &cause.correlation_id {
            self.0.correlation_id = Some(correlation.clone());
        }
        self.with_causation_id(cause.event_id)
    }

    /// The deduplication key.
    #[must_use]
    pub fn event_id(&self) -> Uuid {
        self.0.event_id
    }

    /// The routing key.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.0.event_type
    }

    /// What decides the topic.
    #[must_use]
    pub fn aggregate_type(&self) -> &str {
        &self.0.aggregate_type
    }

    /// The record key.
    #[must_use]
    pub fn aggregate_id(&self) -> &str {
        &self.0.aggregate_id
    }

    /// The exact bytes of the record's value.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// The version of the payload's schema.
    #[must_use]
    pub fn schema_version(&self) -> u32 {
        self.0.schema_version
    }

    /// When it happened, to the microsecond.
    #[must_use]
    pub fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The producing service.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// The request that the event belongs to.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.0.correlation_id.as_deref()
    }

    /// The event that caused this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<&str> {
        self.0.causation_id.as_deref()
    }

    /// The trace of the producer.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.0.trace.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::social::FollowCreated;
    use nova_errors::ErrorKind;

    fn follow() -> NewEvent {
        NewEvent::new(&FollowCreated {
            follower_id: Uuid::from_u128(1),
            followee_id: Uuid::from_u128(2),
            created_at: DateTime::UNIX_EPOCH,
        })
        .unwrap()
    }

    fn broken(change: impl FnOnce(&mut EventParts)) -> ServiceError {
        let mut parts = follow().into_parts();
        change(&mut parts);
        NewEvent::from_parts(parts).unwrap_err()
    }

    #[test]
    fn a_part_outside_its_grammar_is_refused_by_name() {
        let field = |error: ServiceError| error.violations()[0].field.clone();
        assert_eq!(field(broken(|p| p.event_type = "a b".into())), "event_type");
        assert_eq!(
            field(broken(|p| p.aggregate_type = "".into())),
            "aggregate_type"
        );
        for id in ["", "a\0b", "a\n", &"x".repeat(257)] {
            let error = broken(|p| p.aggregate_id = id.to_owned());
            assert_eq!(field(error), "aggregate_id", "{id:?}");
        }
        assert_eq!(field(broken(|p| p.schema_version = 0)), "schema_version");
        assert_eq!(field(broken(|p| p.source = Some(String::new()))), "source");
    }

    #[test]
    fn a_payload_over_its_bound_is_refused() {
        let error = broken(|p| p.payload = vec![b' '; NewEvent::MAX_PAYLOAD + 1].into());
        assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
    }

    #[test]
    fn an_event_belongs_to_the_call_that_makes_it() {
        let mut context = CallContext::new();
        context.request_id = Some("req-1".parse().unwrap());
        context.trace = Some(TraceContext::new(1, 2, true));
        let event = context.clone().sync_scope(follow);
        assert_eq!(event.correlation_id(), Some("req-1"));
        assert_eq!(event.trace(), context.trace.as_ref());
        assert_eq!(follow().correlation_id(), None);
    }

    #[test]
    fn the_time_is_kept_to_the_microsecond() {
        let mut parts = follow().into_parts();
        parts.created_at = DateTime::from_timestamp(0, 1_234_567).unwrap();
        let event = NewEvent::from_parts(parts).unwrap();
        assert_eq!(event.created_at().timestamp_subsec_nanos(), 1_234_000);
    }
}
