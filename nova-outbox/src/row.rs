//! A row of `outbox_events`, on its way back to an event.

use std::time::Duration;

use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::{EventParts, NewEvent};
use nova_models::TraceContext;
use uuid::Uuid;

/// The columns that make the event.
pub(crate) struct EventRow {
    pub(crate) id: Uuid,
    pub(crate) event_type: String,
    pub(crate) aggregate_type: String,
    pub(crate) aggregate_id: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) schema_version: i32,
    pub(crate) source: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) causation_id: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

impl EventRow {
    /// The event; a trace that is no trace is left out, as it decides nothing.
    fn into_event(self) -> Result<NewEvent, ServiceError> {
        let trace = self
            .traceparent
            .and_then(|parent| TraceContext::parse(&parent, self.tracestate.as_deref()).ok());
        NewEvent::from_parts(EventParts {
            event_id: self.id,
            event_type: self.event_type.into(),
            aggregate_type: self.aggregate_type.into(),
            aggregate_id: self.aggregate_id,
            payload: self.payload.into(),
            schema_version: u32::try_from(self.schema_version).unwrap_or_default(),
            created_at: self.created_at,
            source: self.source,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            trace,
        })
    }
}

/// The event of a row. One that cannot be read fails alone, so that it does not stop the others.
pub(crate) fn event(row: Result<EventRow, sqlx::Error>) -> Result<NewEvent, ServiceError> {
    row.map_err(|error| {
        ServiceError::DataLoss("row of the outbox is no event".into()).with_source(error)
    })?
    .into_event()
}

/// An age in seconds; a clock that was set back makes it negative, which is none.
pub(crate) fn age(seconds: Option<f64>) -> Duration {
    Duration::try_from_secs_f64(seconds.unwrap_or_default()).unwrap_or_default()
}
