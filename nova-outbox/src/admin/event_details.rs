use crate::ListedEvent;

/// All that the outbox holds of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventDetails {
    /// Where it stands, and what is with it.
    pub event: ListedEvent,
    /// The bytes that go out as the record's value.
    pub payload: Vec<u8>,
    /// The version of the payload's schema.
    pub schema_version: i32,
    /// The service that it comes from.
    pub source: Option<String>,
    /// The request that it belongs to.
    pub correlation_id: Option<String>,
    /// The event that caused it.
    pub causation_id: Option<String>,
    /// The trace that it belongs to (W3C).
    pub traceparent: Option<String>,
    /// See `traceparent`.
    pub tracestate: Option<String>,
}
