//! What users are told: topic `nova.notification.events`, keyed by the recipient.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "notification";

/// There is something to tell a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct NotificationCreated {
    /// The notification.
    pub notification_id: Uuid,
    /// Who is told.
    pub user_id: Uuid,
    /// What it is about: a word that the notification service chooses, such as `follow`. Any word can come.
    pub kind: String,
    /// Its heading.
    pub title: String,
    /// Its text.
    pub body: String,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event! {
    NotificationCreated {
        event_type: "notification.created",
        aggregate_type: AGGREGATE_TYPE,
        key: user_id,
    }
}
