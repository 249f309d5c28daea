use chrono::Utc;
use nova_events::{EventParts, NewEvent};
use uuid::Uuid;

/// Event `number` of aggregate `id`.
pub(crate) fn event(id: &str, number: u32) -> NewEvent {
    NewEvent::from_parts(EventParts {
        event_id: Uuid::now_v7(),
        event_type: "content.post.updated".into(),
        aggregate_type: "content".into(),
        aggregate_id: id.to_owned(),
        payload: number.to_string().into(),
        schema_version: 1,
        created_at: Utc::now(),
        source: None,
        correlation_id: None,
        causation_id: None,
        trace: None,
    })
    .unwrap()
}

/// The number that [`event`] was made with.
pub(crate) fn number(event: &NewEvent) -> u32 {
    std::str::from_utf8(event.payload())
        .unwrap()
        .parse()
        .unwrap()
}
