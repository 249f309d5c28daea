use nova_events::content::{
    CommentCreated, LikeCreated, LikeDeleted, MediaType, PostCreated, PostDeleted, PostStatus,
    PostStatusUpdated, PostUpdated,
};

use super::{at, id, record};

#[test]
fn the_events_of_content_are_those_of_the_contract() {
    let event = PostCreated {
        post_id: id(1),
        user_id: id(2),
        caption: "hello".to_owned(),
        media_type: MediaType::None,
        status: PostStatus::Published,
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.content.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=content.post.created
    aggregate_type=content
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002","caption":"hello","media_type":"none","status":"published","created_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = PostUpdated {
        post_id: id(1),
        user_id: id(2),
        caption: "hello again".to_owned(),
        updated_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.content.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=content.post.updated
    aggregate_type=content
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002","caption":"hello again","updated_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = PostStatusUpdated {
        post_id: id(1),
        user_id: id(2),
        new_status: PostStatus::Archived,
        updated_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.content.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=content.post.status_updated
    aggregate_type=content
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002","new_status":"archived","updated_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = PostDeleted {
        post_id: id(1),
        user_id: id(2),
        deleted_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.content.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=content.post.deleted
    aggregate_type=content
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002","deleted_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = CommentCreated {
        comment_id: id(3),
        post_id: id(1),
        user_id: id(2),
        post_owner_id: id(4),
        body: "nice".to_owned(),
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.content.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=content.comment.created
    aggregate_type=content
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"comment_id":"00000000-0000-0000-0000-000000000003","post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002","post_owner_id":"00000000-0000-0000-0000-000000000004","body":"nice","created_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = LikeCreated {
        post_id: id(1),
        user_id: id(2),
        post_owner_id: id(4),
        created_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.content.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=content.like.created
    aggregate_type=content
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002","post_owner_id":"00000000-0000-0000-0000-000000000004","created_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = LikeDeleted {
        post_id: id(1),
        user_id: id(2),
        post_owner_id: id(4),
        deleted_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.content.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=content.like.deleted
    aggregate_type=content
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002","post_owner_id":"00000000-0000-0000-0000-000000000004","deleted_at":"2025-10-28T00:00:00Z"}
    "#);
}
