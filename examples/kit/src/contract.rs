//! The commands that the services send to each other.

use chrono::{DateTime, Utc};
use nova_models::{Command, Idempotency};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Asks the content service for posts by their ids.
///
/// Only published posts are answered; an id without one is simply absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetPosts {
    /// The posts, at most [`GetPosts::MAX_IDS`].
    pub post_ids: Vec<Uuid>,
}

impl GetPosts {
    /// The most ids in one command.
    pub const MAX_IDS: usize = 100;
}

impl Command for GetPosts {
    type Reply = Vec<PostView>;
    const TARGET: &'static str = "content-service";
    const ENDPOINT: &'static str = "posts/get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;
}

/// A post as other services see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostView {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub user_id: Uuid,
    /// The text.
    pub caption: String,
    /// What it shows beside the text.
    pub media_type: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}
