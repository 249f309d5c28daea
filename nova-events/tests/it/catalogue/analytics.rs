use nova_events::analytics::AnalyticsEventRecorded;
use serde_json::{Map, Value};

use super::{at, id, record};

fn properties(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.into())])
}

#[test]
fn a_report_is_keyed_by_its_user_its_device_or_itself() {
    let event = AnalyticsEventRecorded {
        event_id: id(2),
        name: "page_viewed".to_owned(),
        user_id: Some(id(1)),
        properties: properties("path", "/"),
        occurred_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.analytics.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=analytics.event.recorded
    aggregate_type=analytics
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"event_id":"00000000-0000-0000-0000-000000000002","name":"page_viewed","user_id":"00000000-0000-0000-0000-000000000001","properties":{"path":"/"},"occurred_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = AnalyticsEventRecorded {
        event_id: id(2),
        name: "page_viewed".to_owned(),
        user_id: None,
        properties: properties("anonymous_id", "device-7"),
        occurred_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.analytics.events device-7
    event_id=00000000-0000-0000-0000-000000000009
    event_type=analytics.event.recorded
    aggregate_type=analytics
    aggregate_id=device-7
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"event_id":"00000000-0000-0000-0000-000000000002","name":"page_viewed","properties":{"anonymous_id":"device-7"},"occurred_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = AnalyticsEventRecorded {
        event_id: id(2),
        name: "page_viewed".to_owned(),
        user_id: None,
        properties: Map::new(),
        occurred_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.analytics.events 00000000-0000-0000-0000-000000000002
    event_id=00000000-0000-0000-0000-000000000009
    event_type=analytics.event.recorded
    aggregate_type=analytics
    aggregate_id=00000000-0000-0000-0000-000000000002
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"event_id":"00000000-0000-0000-0000-000000000002","name":"page_viewed","properties":{},"occurred_at":"2025-10-28T00:00:00Z"}
    "#);
}
