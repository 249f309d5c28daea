use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A post in somebody's feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct FeedEntry {
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
