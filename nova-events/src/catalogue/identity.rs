//! What happens to accounts: topic `nova.identity.events`, keyed by the user.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::open_words;
use crate::domain_event;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "identity";

/// Somebody registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct UserCreated {
    /// The user.
    pub user_id: Uuid,
    /// The name that others see.
    pub username: String,
    /// Where the user is reached. Personal: keep it out of logs.
    pub email: String,
    /// When.
    pub created_at: DateTime<Utc>,
}
domain_event! {
    UserCreated {
        event_type: "identity.user.created",
        aggregate_type: AGGREGATE_TYPE,
        key: user_id,
        aliases: ["UserCreatedEvent"],
    }
}

/// A profile looks different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct UserProfileUpdated {
    /// The user.
    pub user_id: Uuid,
    /// The name that others see.
    pub username: String,
    /// The name in full, where there is one.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The picture, where there is one.
    #[serde(default)]
    pub avatar_url: Option<String>,
    /// Whether the platform vouches for the account.
    pub is_verified: bool,
    /// How many follow.
    pub follower_count: u64,
    /// When.
    pub updated_at: DateTime<Utc>,
}
domain_event! {
    UserProfileUpdated {
        event_type: "identity.user.profile_updated",
        aggregate_type: AGGREGATE_TYPE,
        key: user_id,
        aliases: ["UserProfileUpdatedEvent"],
    }
}

/// An account is gone. This is terminal: what arrives later for the user changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct UserDeleted {
    /// The user.
    pub user_id: Uuid,
    /// When.
    pub deleted_at: DateTime<Utc>,
    /// Whether the owner's row is kept, marked.
    pub soft_delete: bool,
}
domain_event! {
    UserDeleted {
        event_type: "identity.user.deleted",
        aggregate_type: AGGREGATE_TYPE,
        key: user_id,
        aliases: ["UserDeletedEvent"],
    }
}

/// A password was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct PasswordChanged {
    /// The user.
    pub user_id: Uuid,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// Whether every session ended with it.
    pub invalidate_all_sessions: bool,
}
domain_event! {
    PasswordChanged {
        event_type: "identity.user.password_changed",
        aggregate_type: AGGREGATE_TYPE,
        key: user_id,
    }
}

/// A second factor is asked for from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct TwoFaEnabled {
    /// The user.
    pub user_id: Uuid,
    /// When.
    pub enabled_at: DateTime<Utc>,
    /// Which one.
    pub method: TwoFaMethod,
}
domain_event! {
    TwoFaEnabled {
        event_type: "identity.user.two_fa_enabled",
        aggregate_type: AGGREGATE_TYPE,
        key: user_id,
    }
}

open_words! {
    /// A second factor. A word from a later version is kept and written back as it came.
    pub enum TwoFaMethod {
        /// Time-based one-time passwords (RFC 6238).
        Totp = "totp",
    }
}
