//! What happens to messages: topic `nova.message.events`, keyed by the conversation.
//!
//! The platform's first generation had a topic for each, `message_persisted` and `message_deleted`, which are aliases here.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "message";

/// A message was stored. `Debug` does not show what it says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct MessagePersisted {
    /// The message.
    pub message_id: Uuid,
    /// The conversation that it belongs to.
    pub conversation_id: Uuid,
    /// Who sent it.
    pub sender_id: Uuid,
    /// What it says, only where the conversation allows search. The field is absent otherwise, and always for an end-to-end
    /// encrypted conversation, whose text the platform does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event! {
    MessagePersisted {
        event_type: "message.persisted",
        aggregate_type: AGGREGATE_TYPE,
        key: conversation_id,
        aliases: ["message_persisted"],
    }
}

impl fmt::Debug for MessagePersisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagePersisted")
            .field("message_id", &self.message_id)
            .field("conversation_id", &self.conversation_id)
            .field("sender_id", &self.sender_id)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// A message is gone. This is terminal: what arrives later for the message changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct MessageDeleted {
    /// The message.
    pub message_id: Uuid,
    /// The conversation that it belonged to.
    pub conversation_id: Uuid,
    /// When.
    pub deleted_at: DateTime<Utc>,
}
domain_event! {
    MessageDeleted {
        event_type: "message.deleted",
        aggregate_type: AGGREGATE_TYPE,
        key: conversation_id,
        aliases: ["message_deleted"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_says_is_not_in_its_debug() {
        let message = MessagePersisted {
            message_id: Uuid::nil(),
            conversation_id: Uuid::nil(),
            sender_id: Uuid::nil(),
            content: Some("meet me at noon".to_owned()),
            created_at: DateTime::UNIX_EPOCH,
        };
        let shown = format!("{message:?}");
        assert!(!shown.contains("noon"), "{shown}");
    }
}
