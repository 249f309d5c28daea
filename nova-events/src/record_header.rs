//! The names of the record headers: WIRE contract, "Event records".

pub(crate) const EVENT_ID: &str = "event_id";
pub(crate) const EVENT_TYPE: &str = "event_type";
pub(crate) const AGGREGATE_TYPE: &str = "aggregate_type";
pub(crate) const AGGREGATE_ID: &str = "aggregate_id";
pub(crate) const CREATED_AT: &str = "created_at";
pub(crate) const SCHEMA_VERSION: &str = "schema_version";
pub(crate) const SOURCE: &str = "source";
pub(crate) const SEQ: &str = "seq";
pub(crate) const CORRELATION_ID: &str = "correlation_id";
pub(crate) const CAUSATION_ID: &str = "causation_id";
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

// The CloudEvents 1.0 binding for Kafka, binary mode.
pub(crate) const CE_SPECVERSION: &str = "ce_specversion";
pub(crate) const CE_ID: &str = "ce_id";
pub(crate) const CE_SOURCE: &str = "ce_source";
pub(crate) const CE_TYPE: &str = "ce_type";
pub(crate) const CE_TIME: &str = "ce_time";
pub(crate) const CE_TRACEPARENT: &str = "ce_traceparent";
pub(crate) const CE_TRACESTATE: &str = "ce_tracestate";
pub(crate) const CONTENT_TYPE: &str = "content-type";

/// The name as a constant, where it is one of the contract: most of what is read is.
#[cfg(feature = "kafka")]
pub(crate) fn known(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 20] = [
        EVENT_ID,
        EVENT_TYPE,
        AGGREGATE_TYPE,
        AGGREGATE_ID,
        CREATED_AT,
        SCHEMA_VERSION,
        SOURCE,
        SEQ,
        CORRELATION_ID,
        CAUSATION_ID,
        TRACEPARENT,
        TRACESTATE,
        CE_SPECVERSION,
        CE_ID,
        CE_SOURCE,
        CE_TYPE,
        CE_TIME,
        CE_TRACEPARENT,
        CE_TRACESTATE,
        CONTENT_TYPE,
    ];
    NAMES.into_iter().find(|known| *known == name)
}
