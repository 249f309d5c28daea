//! What happens to accounts: topic `nova.identity.events`, keyed by the user.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{domain_event, open_words};

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "identity";

/// Somebody registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
domain_event!(
    UserCreated,
    AGGREGATE_TYPE,
    "identity.user.created",
    user_id,
    alias "UserCreatedEvent"
);

/// A profile looks different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
domain_event!(
    UserProfileUpdated,
    AGGREGATE_TYPE,
    "identity.user.profile_updated",
    user_id,
    alias "UserProfileUpdatedEvent"
);

/// An account is gone. This is terminal: what arrives later for the user changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDeleted {
    /// The user.
    pub user_id: Uuid,
    /// When.
    pub deleted_at: DateTime<Utc>,
    /// Whether the owner's row is kept, marked.
    pub soft_delete: bool,
}
domain_event!(
    UserDeleted,
    AGGREGATE_TYPE,
    "identity.user.deleted",
    user_id,
    alias "UserDeletedEvent"
);

/// A password was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// The user.
    pub user_id: Uuid,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// Whether every session ended with it.
    pub invalidate_all_sessions: bool,
}
domain_event!(
    PasswordChanged,
    AGGREGATE_TYPE,
    "identity.user.password_changed",
    user_id
);

/// A second factor is asked for from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoFaEnabled {
    /// The user.
    pub user_id: Uuid,
    /// When.
    pub enabled_at: DateTime<Utc>,
    /// Which one.
    pub method: TwoFaMethod,
}
domain_event!(
    TwoFaEnabled,
    AGGREGATE_TYPE,
    "identity.user.two_fa_enabled",
    user_id
);

open_words! {
    /// A second factor. A word from a later version is kept and written back as it came.
    pub enum TwoFaMethod {
        /// Time-based one-time passwords (RFC 6238).
        Totp = "totp",
    }
}
