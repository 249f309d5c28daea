use nova_events::identity::{
    PasswordChanged, TwoFaEnabled, TwoFaMethod, UserCreated, UserDeleted, UserProfileUpdated,
};

use super::{at, id, record};

#[test]
fn the_events_of_identity_are_those_of_the_contract() {
    let event = UserCreated {
        user_id: id(1),
        username: "alice".to_owned(),
        email: "alice@example.org".to_owned(),
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.identity.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=identity.user.created
    aggregate_type=identity
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"user_id":"00000000-0000-0000-0000-000000000001","username":"alice","email":"alice@example.org","created_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = UserProfileUpdated {
        user_id: id(1),
        username: "alice".to_owned(),
        display_name: Some("Alice".to_owned()),
        avatar_url: None,
        is_verified: true,
        follower_count: 7,
        updated_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.identity.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=identity.user.profile_updated
    aggregate_type=identity
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"user_id":"00000000-0000-0000-0000-000000000001","username":"alice","display_name":"Alice","avatar_url":null,"is_verified":true,"follower_count":7,"updated_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = UserDeleted {
        user_id: id(1),
        deleted_at: at(),
        soft_delete: true,
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.identity.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=identity.user.deleted
    aggregate_type=identity
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"user_id":"00000000-0000-0000-0000-000000000001","deleted_at":"2025-10-28T00:00:00Z","soft_delete":true}
    "#);
    let event = PasswordChanged {
        user_id: id(1),
        changed_at: at(),
        invalidate_all_sessions: true,
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.identity.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=identity.user.password_changed
    aggregate_type=identity
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"user_id":"00000000-0000-0000-0000-000000000001","changed_at":"2025-10-28T00:00:00Z","invalidate_all_sessions":true}
    "#);
    let event = TwoFaEnabled {
        user_id: id(1),
        enabled_at: at(),
        method: TwoFaMethod::Totp,
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.identity.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=identity.user.two_fa_enabled
    aggregate_type=identity
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"user_id":"00000000-0000-0000-0000-000000000001","enabled_at":"2025-10-28T00:00:00Z","method":"totp"}
    "#);
}
