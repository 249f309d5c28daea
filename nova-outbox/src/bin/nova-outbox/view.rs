//! Events as JSON and as text: what the command writes is a contract with scripts.

use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use nova_outbox::{EventDetails, EventState, ListedEvent};
use serde_json::{Value, json};

pub(crate) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(crate) fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64())
}

pub(crate) const fn state(state: &EventState) -> &'static str {
    match state {
        EventState::Pending => "pending",
        EventState::Retrying { .. } => "retrying",
        EventState::Dead { .. } => "dead",
        EventState::Scheduled { .. } => "scheduled",
        _ => "unknown",
    }
}

pub(crate) fn event(event: &ListedEvent) -> Value {
    let mut value = json!({
        "seq": event.seq,
        "event_id": event.id,
        "bucket": event.bucket,
        "aggregate_type": event.aggregate_type,
        "aggregate_id": event.aggregate_id,
        "event_type": event.event_type,
        "payload_bytes": event.payload_size,
        "created_at": time(event.created_at),
        "state": state(&event.state),
    });
    let more = match &event.state {
        EventState::Retrying {
            attempts,
            hold_until,
            error,
        } => {
            json!({ "attempts": attempts, "hold_until": time(*hold_until), "error": error })
        }
        EventState::Dead {
            attempts,
            error_code,
            error_message,
            died_at,
        } => {
            json!({ "attempts": attempts, "error_code": error_code, "error": error_message, "died_at": time(*died_at) })
        }
        EventState::Scheduled { due_at } => json!({ "due_at": time(*due_at) }),
        _ => json!({}),
    };
    extend(&mut value, more);
    value
}

pub(crate) fn details(details: &EventDetails) -> Value {
    let mut value = event(&details.event);
    extend(
        &mut value,
        json!({
            "schema_version": details.schema_version,
            "source": details.source,
            "correlation_id": details.correlation_id,
            "causation_id": details.causation_id,
            "traceparent": details.traceparent,
            "tracestate": details.tracestate,
        }),
    );
    let payload = match serde_json::from_slice::<Value>(&details.payload) {
        Ok(payload) => json!({ "payload": payload }),
        Err(_) => json!({ "payload_hex": hex(&details.payload) }),
    };
    extend(&mut value, payload);
    value
}

/// What the state adds, in one line.
pub(crate) fn remark(state: &EventState) -> String {
    match state {
        EventState::Retrying {
            attempts,
            hold_until,
            error,
        } => {
            format!(
                "{attempts} attempts, again at {}: {error}",
                time(*hold_until)
            )
        }
        EventState::Dead {
            attempts,
            error_code,
            error_message,
            died_at,
        } => {
            format!(
                "{attempts} attempts, died at {}: {error_code}: {error_message}",
                time(*died_at)
            )
        }
        EventState::Scheduled { due_at } => format!("due at {}", time(*due_at)),
        _ => String::new(),
    }
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
