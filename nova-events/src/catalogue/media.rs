//! What happens to uploads: topic `nova.media.events`, keyed by the upload.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "media";

/// All parts of an upload have arrived, and the file can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct UploadCompleted {
    /// The upload.
    pub upload_id: Uuid,
    /// What it became.
    pub media_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What its owner calls it.
    pub file_name: String,
    /// How large it is, in bytes.
    pub size_bytes: u64,
    /// When.
    pub uploaded_at: DateTime<Utc>,
}
domain_event! {
    UploadCompleted {
        event_type: "media.upload.completed",
        aggregate_type: AGGREGATE_TYPE,
        key: upload_id,
    }
}
