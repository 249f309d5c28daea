//! What happens to posts: topic `nova.content.events`, keyed by the post.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::open_words;
use crate::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "content";

/// Somebody posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct PostCreated {
    /// The post.
    pub post_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What it says; empty where it says nothing.
    pub caption: String,
    /// What it shows.
    pub media_type: MediaType,
    /// Where it is in its life.
    pub status: PostStatus,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event! {
    PostCreated {
        event_type: "content.post.created",
        aggregate_type: AGGREGATE_TYPE,
        key: post_id,
    }
}

/// A post says something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct PostUpdated {
    /// The post.
    pub post_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What it says now.
    pub caption: String,
    /// When.
    pub updated_at: DateTime<Utc>,
}
domain_event! {
    PostUpdated {
        event_type: "content.post.updated",
        aggregate_type: AGGREGATE_TYPE,
        key: post_id,
    }
}

/// A post was published, archived or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct PostStatusUpdated {
    /// The post.
    pub post_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Where it is in its life now.
    pub new_status: PostStatus,
    /// When.
    pub updated_at: DateTime<Utc>,
}
domain_event! {
    PostStatusUpdated {
        event_type: "content.post.status_updated",
        aggregate_type: AGGREGATE_TYPE,
        key: post_id,
    }
}

/// A post is gone. This is terminal: what arrives later for the post changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct PostDeleted {
    /// The post.
    pub post_id: Uuid,
    /// Whose it was.
    pub user_id: Uuid,
    /// When.
    pub deleted_at: DateTime<Utc>,
}
domain_event! {
    PostDeleted {
        event_type: "content.post.deleted",
        aggregate_type: AGGREGATE_TYPE,
        key: post_id,
    }
}

/// Somebody commented on a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct CommentCreated {
    /// The comment.
    pub comment_id: Uuid,
    /// The post.
    pub post_id: Uuid,
    /// Who commented.
    pub user_id: Uuid,
    /// Whose post it is.
    pub post_owner_id: Uuid,
    /// What the comment says.
    pub body: String,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event! {
    CommentCreated {
        event_type: "content.comment.created",
        aggregate_type: AGGREGATE_TYPE,
        key: post_id,
    }
}

/// Somebody likes a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct LikeCreated {
    /// The post.
    pub post_id: Uuid,
    /// Who likes it.
    pub user_id: Uuid,
    /// Whose post it is.
    pub post_owner_id: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event! {
    LikeCreated {
        event_type: "content.like.created",
        aggregate_type: AGGREGATE_TYPE,
        key: post_id,
    }
}

/// Somebody took back a like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct LikeDeleted {
    /// The post.
    pub post_id: Uuid,
    /// Who liked it.
    pub user_id: Uuid,
    /// Whose post it is.
    pub post_owner_id: Uuid,
    /// When.
    pub deleted_at: DateTime<Utc>,
}
domain_event! {
    LikeDeleted {
        event_type: "content.like.deleted",
        aggregate_type: AGGREGATE_TYPE,
        key: post_id,
    }
}

open_words! {
    /// What a post shows. A word from a later version is kept and written back as it came.
    pub enum MediaType {
        /// A picture.
        Image = "image",
        /// A film.
        Video = "video",
        /// Text alone.
        None = "none",
    }
}

open_words! {
    /// Where a post is in its life. A word from a later version is kept and written back as it came.
    pub enum PostStatus {
        /// For everybody to see.
        Published = "published",
        /// Out of sight, kept by its owner.
        Archived = "archived",
        /// Gone.
        Deleted = "deleted",
    }
}
