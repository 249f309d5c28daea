//! Who follows whom: topic `nova.social.events`, keyed by the follower.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "social";

/// Somebody follows somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowCreated {
    /// Who follows.
    pub follower_id: Uuid,
    /// Who is followed.
    pub followee_id: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event!(
    FollowCreated,
    AGGREGATE_TYPE,
    "social.follow.created",
    follower_id
);

/// Somebody follows somebody no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowDeleted {
    /// Who followed.
    pub follower_id: Uuid,
    /// Who was followed.
    pub followee_id: Uuid,
    /// When.
    pub deleted_at: DateTime<Utc>,
}
domain_event!(
    FollowDeleted,
    AGGREGATE_TYPE,
    "social.follow.deleted",
    follower_id
);
