//! What happens to live streams: topic `nova.streaming.events`, keyed by the stream.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "streaming";

/// A stream is on the air.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct StreamStarted {
    /// The stream.
    pub stream_id: Uuid,
    /// Who streams.
    pub creator_id: Uuid,
    /// What it is called.
    pub title: String,
    /// When.
    pub started_at: DateTime<Utc>,
}
domain_event! {
    StreamStarted {
        event_type: "stream.started",
        aggregate_type: AGGREGATE_TYPE,
        key: stream_id,
    }
}

/// A stream is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct StreamEnded {
    /// The stream.
    pub stream_id: Uuid,
    /// Who streamed.
    pub creator_id: Uuid,
    /// What it was called.
    pub title: String,
    /// When.
    pub ended_at: DateTime<Utc>,
    /// The most who watched at once.
    pub peak_viewers: u64,
}
domain_event! {
    StreamEnded {
        event_type: "stream.ended",
        aggregate_type: AGGREGATE_TYPE,
        key: stream_id,
    }
}

/// Somebody watches a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ViewerJoined {
    /// The stream.
    pub stream_id: Uuid,
    /// Who came.
    pub user_id: Uuid,
    /// How many watch now, the one who came included.
    pub viewer_count: u64,
    /// When.
    pub at: DateTime<Utc>,
}
domain_event! {
    ViewerJoined {
        event_type: "viewer.joined",
        aggregate_type: AGGREGATE_TYPE,
        key: stream_id,
    }
}

/// Somebody watches a stream no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ViewerLeft {
    /// The stream.
    pub stream_id: Uuid,
    /// Who went.
    pub user_id: Uuid,
    /// How many watch still.
    pub viewer_count: u64,
    /// When.
    pub at: DateTime<Utc>,
}
domain_event! {
    ViewerLeft {
        event_type: "viewer.left",
        aggregate_type: AGGREGATE_TYPE,
        key: stream_id,
    }
}

/// Somebody said something while watching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct CommentPosted {
    /// The stream.
    pub stream_id: Uuid,
    /// The comment.
    pub comment_id: Uuid,
    /// Who commented.
    pub user_id: Uuid,
    /// What the comment says.
    pub body: String,
    /// When.
    pub posted_at: DateTime<Utc>,
}
domain_event! {
    CommentPosted {
        event_type: "comment.posted",
        aggregate_type: AGGREGATE_TYPE,
        key: stream_id,
    }
}
