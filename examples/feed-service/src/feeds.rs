mod follows;
mod page;
mod posts;
mod users;
#[cfg(all(test, not(feature = "postgres")))]
mod world;

use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_kit::{Pool, Tx};
use sqlx::query_scalar;
use uuid::Uuid;

/// The feeds, and the copies of posts and follows that they are made from.
///
/// Each handler of an event can be run again without another effect, and the events of an
/// aggregate have the same outcome in any order: what is older than what was seen changes nothing,
/// and a deletion is for ever.
#[derive(Debug, Clone)]
pub(crate) struct Feeds {
    pool: Pool,
}

impl Feeds {
    pub(crate) const fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// A transaction that holds the rows of these users until it ends; `None` where one of them is
    /// deleted.
    ///
    /// Without it a post and a follow that are handled at the same moment would not see each other,
    /// and the post would be missing in the feed for ever.
    async fn begin<const N: usize>(
        &self,
        mut users: [Uuid; N],
    ) -> Result<Option<Tx>, ServiceError> {
        let mut tx = self.pool.begin().await?;
        // Always in the same order, so that two who follow each other don't wait for each other.
        users.sort_unstable();
        for user in users {
            let deleted_at: Option<DateTime<Utc>> = query_scalar(
                "INSERT INTO feed_users (user_id) VALUES ($1)
                 ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
                 RETURNING deleted_at",
            )
            .bind(user)
            .fetch_one(&mut *tx)
            .await?;
            if deleted_at.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(tx))
    }
}
