use serde_json::{Map, Value, json};

use crate::record_header as header;

/// A header of an event record: its name, whether each record has it, and what it holds.
struct RecordHeader {
    name: &'static str,
    required: bool,
    schema: Value,
}

/// The JSON Schema of the headers of every event record: UTF-8 text each.
pub(super) fn schema() -> Value {
    let headers = headers();
    let required: Vec<_> = headers
        .iter()
        .filter(|header| header.required)
        .map(|header| header.name)
        .collect();
    let properties: Map<_, _> = headers
        .iter()
        .map(|header| (header.name.to_owned(), header.schema.clone()))
        .collect();
    json!({
        "type": "object",
        "description": "UTF-8 text each. Those of the CloudEvents binding may stand beside or instead of them.",
        "properties": properties,
        "required": required,
    })
}

fn headers() -> [RecordHeader; 18] {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let formatted = |format: &str, description: &str| json!({ "type": "string", "format": format, "description": description });
    let digits = |pattern: &str, description: &str| json!({ "type": "string", "pattern": pattern, "description": description });
    let header = |required| {
        move |name, schema| RecordHeader {
            name,
            required,
            schema,
        }
    };
    let (required, optional) = (header(true), header(false));
    [
        required(
            header::EVENT_ID,
            formatted("uuid", "The deduplication key."),
        ),
        required(header::EVENT_TYPE, text("The routing key.")),
        required(
            header::AGGREGATE_TYPE,
            text("What the event is about: decides the topic."),
        ),
        required(
            header::AGGREGATE_ID,
            text("The aggregate: equals the record key."),
        ),
        required(
            header::CREATED_AT,
            formatted("date-time", "When it happened: microseconds, UTC."),
        ),
        optional(
            header::SCHEMA_VERSION,
            digits(
                "^[1-9][0-9]*$",
                "The version of the payload; 1 where absent.",
            ),
        ),
        optional(header::SOURCE, text("The producing service.")),
        optional(
            header::SEQ,
            digits(
                "^-?[0-9]+$",
                "The outbox's sequence: rises within an aggregate.",
            ),
        ),
        optional(
            header::CORRELATION_ID,
            text("The request that the event belongs to."),
        ),
        optional(
            header::CAUSATION_ID,
            text("The event that caused this one."),
        ),
        optional(
            header::TRACEPARENT,
            text("The trace of the producer: W3C Trace Context."),
        ),
        optional(header::TRACESTATE, text("W3C Trace Context.")),
        optional(
            header::CE_SPECVERSION,
            text("CloudEvents in binary mode: 1.0."),
        ),
        optional(header::CE_ID, text("CloudEvents: the event_id.")),
        optional(header::CE_SOURCE, text("CloudEvents: the source.")),
        optional(header::CE_TYPE, text("CloudEvents: the event_type.")),
        optional(
            header::CE_TIME,
            formatted("date-time", "CloudEvents: the created_at."),
        ),
        optional(header::CONTENT_TYPE, text("CloudEvents: application/json.")),
    ]
}
