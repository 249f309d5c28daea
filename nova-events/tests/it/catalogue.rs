use std::fmt::Debug;

use chrono::{DateTime, Utc};
use nova_events::content::{
    CommentCreated, LikeCreated, LikeDeleted, MediaType, PostCreated, PostDeleted, PostStatus,
    PostStatusUpdated, PostUpdated,
};
use nova_events::identity::{
    PasswordChanged, TwoFaEnabled, TwoFaMethod, UserCreated, UserDeleted, UserProfileUpdated,
};
use nova_events::social::{FollowCreated, FollowDeleted};
use nova_events::{DomainEvent, TopicPrefix};
use uuid::Uuid;

/// Topic, type, aliases, key and payload of an event; it has to read back as it was.
fn line<E: DomainEvent + PartialEq + Debug>(event: &E) -> String {
    let json = serde_json::to_string(event).unwrap();
    assert_eq!(&serde_json::from_str::<E>(&json).unwrap(), event);
    let topic = TopicPrefix::default().topic_for(E::AGGREGATE_TYPE).unwrap();
    let (name, version, aliases) = (E::EVENT_TYPE, E::SCHEMA_VERSION, E::ALIASES);
    let key = event.aggregate_id();
    format!("{name} v{version} {aliases:?} on {topic} keyed {key}\n  {json}\n")
}

#[test]
fn every_event_is_that_of_the_contract() {
    let [one, two, three, four] = [1, 2, 3, 4].map(Uuid::from_u128);
    let at: DateTime<Utc> = "2025-10-28T00:00:00Z".parse().unwrap();
    let lines = [
        line(&PostCreated {
            post_id: one,
            user_id: two,
            caption: "hello".to_owned(),
            media_type: MediaType::None,
            status: PostStatus::Published,
            created_at: at,
        }),
        line(&PostUpdated {
            post_id: one,
            user_id: two,
            caption: "hello again".to_owned(),
            updated_at: at,
        }),
        line(&PostStatusUpdated {
            post_id: one,
            user_id: two,
            new_status: PostStatus::Archived,
            updated_at: at,
        }),
        line(&PostDeleted {
            post_id: one,
            user_id: two,
            deleted_at: at,
        }),
        line(&CommentCreated {
            comment_id: three,
            post_id: one,
            user_id: two,
            post_owner_id: four,
            body: "nice".to_owned(),
            created_at: at,
        }),
        line(&LikeCreated {
            post_id: one,
            user_id: two,
            post_owner_id: four,
            created_at: at,
        }),
        line(&LikeDeleted {
            post_id: one,
            user_id: two,
            post_owner_id: four,
            deleted_at: at,
        }),
        line(&UserCreated {
            user_id: one,
            username: "alice".to_owned(),
            email: "alice@example.org".to_owned(),
            created_at: at,
        }),
        line(&UserProfileUpdated {
            user_id: one,
            username: "alice".to_owned(),
            display_name: Some("Alice".to_owned()),
            avatar_url: None,
            is_verified: true,
            follower_count: 7,
            updated_at: at,
        }),
        line(&UserDeleted {
            user_id: one,
            deleted_at: at,
            soft_delete: true,
        }),
        line(&PasswordChanged {
            user_id: one,
            changed_at: at,
            invalidate_all_sessions: true,
        }),
        line(&TwoFaEnabled {
            user_id: one,
            enabled_at: at,
            method: TwoFaMethod::Totp,
        }),
        line(&FollowCreated {
            follower_id: one,
            followee_id: two,
            created_at: at,
        }),
        line(&FollowDeleted {
            follower_id: one,
            followee_id: two,
            deleted_at: at,
        }),
    ];
    insta::assert_snapshot!("catalogue", lines.concat());
}

#[test]
fn a_word_from_a_later_version_is_kept_and_an_unknown_field_ignored() {
    let json = r#"{"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002",
        "caption":"","media_type":"hologram","status":"embargoed","created_at":"2025-10-28T00:00:00Z","mood":"fine"}"#;
    let post: PostCreated = serde_json::from_str(json).unwrap();
    assert_eq!(post.media_type, MediaType::Unknown("hologram".to_owned()));
    assert_eq!(post.status, PostStatus::Unknown("embargoed".to_owned()));
    let back = serde_json::to_value(&post).unwrap();
    assert_eq!(back["media_type"], "hologram");
    assert_eq!(back["status"], "embargoed");
    assert!(serde_json::from_str::<MediaType>("7").is_err());
}
