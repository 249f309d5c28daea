use nova_events::social::{FollowCreated, FollowDeleted};

use super::{at, id, record};

#[test]
fn the_events_of_social_are_those_of_the_contract() {
    let event = FollowCreated {
        follower_id: id(1),
        followee_id: id(2),
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.social.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=social.follow.created
    aggregate_type=social
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"follower_id":"00000000-0000-0000-0000-000000000001","followee_id":"00000000-0000-0000-0000-000000000002","created_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = FollowDeleted {
        follower_id: id(1),
        followee_id: id(2),
        deleted_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.social.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=social.follow.deleted
    aggregate_type=social
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"follower_id":"00000000-0000-0000-0000-000000000001","followee_id":"00000000-0000-0000-0000-000000000002","deleted_at":"2025-10-28T00:00:00Z"}
    "#);
}
