use nova_events::notification::NotificationCreated;

use super::{at, id, record};

#[test]
fn the_events_of_notification_are_those_of_the_contract() {
    let event = NotificationCreated {
        notification_id: id(2),
        user_id: id(1),
        kind: "follow".to_owned(),
        title: "A new follower".to_owned(),
        body: "Bob follows you".to_owned(),
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.notification.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=notification.created
    aggregate_type=notification
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"notification_id":"00000000-0000-0000-0000-000000000002","user_id":"00000000-0000-0000-0000-000000000001","kind":"follow","title":"A new follower","body":"Bob follows you","created_at":"2025-10-28T00:00:00Z"}
    "#);
}
