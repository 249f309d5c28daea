//! Who follows whom: topic `nova.social.events`, keyed by the follower.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "social";

/// Somebody follows somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct FollowCreated {
    /// Who follows.
    pub follower_id: Uuid,
    /// Who is followed.
    pub followee_id: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event! {
    FollowCreated {
        event_type: "social.follow.created",
        aggregate_type: AGGREGATE_TYPE,
        key: follower_id,
    }
}

/// Somebody follows somebody no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct FollowDeleted {
    /// Who followed.
    pub follower_id: Uuid,
    /// Who was followed.
    pub followee_id: Uuid,
    /// When.
    pub deleted_at: DateTime<Utc>,
}
domain_event! {
    FollowDeleted {
        event_type: "social.follow.deleted",
        aggregate_type: AGGREGATE_TYPE,
        key: follower_id,
    }
}
