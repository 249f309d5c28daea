use std::fmt;

use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use uuid::Uuid;

use crate::proto;
use crate::user_claims::{time, user_id};

/// A user, as the auth service knows one. `Debug` leaves out the e-mail address.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The user.
    pub user_id: Uuid,
    /// The user's name.
    pub username: String,
    /// The user's e-mail address.
    pub email: String,
    /// When the user registered.
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("user_id", &self.user_id)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

impl TryFrom<proto::User> for User {
    type Error = ServiceError;

    /// # Errors
    ///
    /// `Upstream` where the service left out what it has to say.
    fn try_from(user: proto::User) -> Result<Self, ServiceError> {
        Ok(Self {
            user_id: user_id(&user.user_id)?,
            username: user.username,
            email: user.email,
            created_at: time("created_at", user.created_at)?,
        })
    }
}

/// A page of the list of all users.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserPage {
    /// The users, in the order of their registration.
    pub users: Vec<User>,
    /// The users on all pages.
    pub total: u64,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<String>,
}
