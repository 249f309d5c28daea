use chrono::{DateTime, Utc};
use nova_auth_client::AuthClient;
use nova_errors::ServiceError;
use nova_events::identity::{UserCreated, UserDeleted};
use nova_kit::Pool;
use serde::{Deserialize, Serialize};
use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

/// Who a user is, for other users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct Profile {
    /// The user.
    pub user_id: Uuid,
    /// The name to log in with.
    pub username: String,
    /// The name to show.
    pub display_name: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub(crate) struct Profiles {
    pool: Pool,
}

impl Profiles {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    pub(crate) async fn get(&self, user_id: Uuid) -> Result<Profile, ServiceError> {
        query_as(
            "SELECT user_id, username, display_name, created_at FROM user_profiles
             WHERE user_id = $1 AND deleted_at IS NULL",
        )
        .bind(user_id)
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(|| ServiceError::NotFound(format!("user {user_id}").into()))
    }

    /// Takes a new user over. A copy that comes late, after the deletion too, changes nothing.
    pub(crate) async fn created(&self, event: &UserCreated) -> Result<(), ServiceError> {
        self.add(event.user_id, &event.username, event.created_at)
            .await
    }

    /// Makes sure that there is a row for `user`, if only the mark of a deletion. Profiles come by
    /// event and may be a moment late, so a user who isn't known here yet is asked for at the owner.
    ///
    /// # Errors
    ///
    /// `NotFound` where the owner doesn't know the user either.
    pub(crate) async fn ensure(&self, user: Uuid, auth: &AuthClient) -> Result<(), ServiceError> {
        let known: Option<Uuid> =
            query_scalar("SELECT user_id FROM user_profiles WHERE user_id = $1")
                .bind(user)
                .fetch_optional(&self.pool)
                .await?;
        if known.is_some() {
            return Ok(());
        }
        let user = auth.get_user(user).await?;
        self.add(user.user_id, &user.username, user.created_at)
            .await
    }

    /// Takes a user's profile away and leaves the mark, so that nothing that comes later revives it.
    pub(crate) async fn deleted(&self, event: &UserDeleted) -> Result<(), ServiceError> {
        query(
            "INSERT INTO user_profiles
                 (user_id, username, display_name, created_at, followed_at, deleted_at)
             VALUES ($1, '', '', $2, $2, $2)
             ON CONFLICT (user_id) DO UPDATE
             SET username = '', display_name = '', deleted_at = excluded.deleted_at",
        )
        .bind(event.user_id)
        .bind(event.deleted_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn add(
        &self,
        user_id: Uuid,
        username: &str,
        created_at: DateTime<Utc>,
    ) -> Result<(), ServiceError> {
        query(
            "INSERT INTO user_profiles (user_id, username, display_name, created_at, followed_at)
             VALUES ($1, $2, $2, $3, $3) ON CONFLICT (user_id) DO NOTHING",
        )
        .bind(user_id)
        .bind(username)
        .bind(created_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
