use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use nova_errors::ServiceError;
use nova_kit::{Pool, Tx, now};
use sqlx::{FromRow, query, query_as, query_scalar};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::access_tokens::AccessTokens;

/// What was revoked lately, in the order in which it was committed. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Revocations {
    pool: Pool,
    committed: Arc<Notify>,
}

/// What a revocation is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// A session, with all tokens that were issued for it.
    Session(Uuid),
    /// All sessions of a user.
    User(Uuid),
}

/// A row of `revocations`.
#[derive(Debug, FromRow)]
pub(crate) struct Revocation {
    pub(crate) seq: i64,
    session_id: Option<Uuid>,
    user_id: Option<Uuid>,
    pub(crate) revoked_at: DateTime<Utc>,
}

impl Revocations {
    /// The most revocations read at once.
    pub(crate) const BATCH: i64 = 1000;

    pub(crate) fn new(pool: Pool) -> Self {
        Self {
            pool,
            committed: Arc::new(Notify::new()),
        }
    }

    /// Revokes in the caller's transaction; [`announce`](Self::announce) it after the commit.
    ///
    /// Let it be the last statement: it waits for other revocations to commit.
    pub(crate) async fn record(&self, tx: &mut Tx, revoked: Revoked) -> Result<(), ServiceError> {
        let seq: i64 =
            query_scalar("UPDATE revocation_head SET seq = seq + 1 WHERE id = 1 RETURNING seq")
                .fetch_one(&mut **tx)
                .await?;
        let (session_id, user_id) = match revoked {
            Revoked::Session(id) => (Some(id), None),
            Revoked::User(id) => (None, Some(id)),
        };
        let revoked_at = now();
        query(
            "INSERT INTO revocations (seq, session_id, user_id, revoked_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(seq)
        .bind(session_id)
        .bind(user_id)
        .bind(revoked_at)
        .execute(&mut **tx)
        .await?;
        query("DELETE FROM revocations WHERE revoked_at < $1")
            .bind(revoked_at - retention())
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Tells those who follow that there is something new.
    pub(crate) fn announce(&self) {
        self.committed.notify_one();
    }

    /// Waits for an announcement; one that was made meanwhile counts.
    pub(crate) async fn announced(&self) {
        self.committed.notified().await;
    }

    /// The number of the last revocation; 0 where there was none yet.
    pub(crate) async fn head(&self) -> Result<i64, ServiceError> {
        Ok(query_scalar("SELECT seq FROM revocation_head WHERE id = 1")
            .fetch_one(&self.pool)
            .await?)
    }

    /// Whether all that came after number `seq` is still known.
    pub(crate) async fn reach_back_to(&self, seq: i64) -> Result<bool, ServiceError> {
        let (head, first): (i64, Option<i64>) = query_as(
            "SELECT seq, (SELECT MIN(seq) FROM revocations) FROM revocation_head WHERE id = 1",
        )
        .fetch_one(&self.pool)
        .await?;
        let before_first = first.map_or(head, |first| first - 1);
        Ok((before_first..=head).contains(&seq))
    }

    /// What came after number `seq`, oldest first, at most [`BATCH`](Self::BATCH).
    pub(crate) async fn after(&self, seq: i64) -> Result<Vec<Revocation>, ServiceError> {
        Ok(query_as(
            "SELECT seq, session_id, user_id, revoked_at FROM revocations
             WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(seq)
        .bind(Self::BATCH)
        .fetch_all(&self.pool)
        .await?)
    }
}

/// After this no token that a revocation concerns can be valid, on a clock that is 5 minutes off.
fn retention() -> TimeDelta {
    AccessTokens::LIFETIME + TimeDelta::minutes(5)
}

impl Revocation {
    pub(crate) fn revoked(&self) -> Option<Revoked> {
        let session = self.session_id.map(Revoked::Session);
        session.or(self.user_id.map(Revoked::User))
    }
}
