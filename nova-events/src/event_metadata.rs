use chrono::{DateTime, Utc};
use nova_models::TraceContext;
use uuid::Uuid;

use crate::Topic;

/// What a record says beside its payload, and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventMetadata {
    /// The deduplication key.
    pub event_id: Uuid,
    /// The routing key, as it stood in the record: an alias stays one.
    pub event_type: String,
    /// What the event is about.
    pub aggregate_type: String,
    /// The aggregate: within one, events come in order. Empty for a record without a key on a topic of the first generation,
    /// and for a CloudEvent without one.
    pub aggregate_id: String,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// The version of the payload's schema, from 1.
    pub schema_version: u32,
    /// The producing service.
    pub source: Option<String>,
    /// The outbox's sequence: rises within an aggregate. A smaller one than seen before is a late copy.
    pub seq: Option<i64>,
    /// The request that the event belongs to.
    pub correlation_id: Option<String>,
    /// The event that caused this one.
    pub causation_id: Option<String>,
    /// The trace of the producer.
    pub trace: Option<TraceContext>,
    /// The topic that the record was read from.
    pub topic: Topic,
    /// The partition that it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}
