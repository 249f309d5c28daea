use nova_events::message::{MessageDeleted, MessagePersisted};

use super::{at, id, record};

#[test]
fn what_a_message_says_is_there_only_where_it_may_be_searched() {
    let event = MessagePersisted {
        message_id: id(2),
        conversation_id: id(1),
        sender_id: id(3),
        content: Some("hello".to_owned()),
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.message.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=message.persisted
    aggregate_type=message
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"message_id":"00000000-0000-0000-0000-000000000002","conversation_id":"00000000-0000-0000-0000-000000000001","sender_id":"00000000-0000-0000-0000-000000000003","content":"hello","created_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = MessagePersisted {
        message_id: id(2),
        conversation_id: id(1),
        sender_id: id(3),
        content: None,
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.message.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=message.persisted
    aggregate_type=message
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"message_id":"00000000-0000-0000-0000-000000000002","conversation_id":"00000000-0000-0000-0000-000000000001","sender_id":"00000000-0000-0000-0000-000000000003","created_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = MessageDeleted {
        message_id: id(2),
        conversation_id: id(1),
        deleted_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.message.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=message.deleted
    aggregate_type=message
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"message_id":"00000000-0000-0000-0000-000000000002","conversation_id":"00000000-0000-0000-0000-000000000001","deleted_at":"2025-10-28T00:00:00Z"}
    "#);
}
