mod database;
#[cfg(feature = "postgres")]
mod postgres;
mod purge;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "kafka")]
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use sqlx::Pool;
#[cfg(feature = "kafka")]
use sqlx::Transaction;
#[cfg(feature = "kafka")]
use uuid::Uuid;

use self::database::Entry;
use super::{Claim, ClaimId, HELD_WAIT, IdempotencyKey, IdempotencyStore, RETENTION};
#[cfg(feature = "kafka")]
use crate::ConsumerGroup;

pub use database::{InboxDatabase, migrate_inbox};
pub use purge::InboxPurge;

/// An [`IdempotencyStore`] in the service's own database, and the inbox that
/// `EventConsumerBuilder::on_tx` and `on_batch` mark events in: there the mark and the effect are one transaction, so that a crash at any
/// point neither loses nor doubles the effect.
///
/// An event that another member is handling is waited for, by the lock on its row. Handlers registered by `on` claim events in
/// the same table, with a lease, as with any other store.
///
/// A handled event is remembered for 7 days, until an [`InboxPurge`] deletes it. The table is made by [`migrate_inbox`].
///
/// ```
/// use nova_events::{InboxPurge, SqlInbox, migrate_inbox};
///
/// type Db = sqlx::Sqlite; // or sqlx::Postgres
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// migrate_inbox(&pool).await?;
/// let inbox = SqlInbox::<Db>::new(pool);
/// let purge = InboxPurge::new(inbox.clone()); // a worker for the supervisor
/// # Ok(())
/// # }
/// ```
pub struct SqlInbox<DB: InboxDatabase> {
    pool: Pool<DB>,
    retention: Duration,
}

/// A transaction in which events are marked as handled.
#[cfg(feature = "kafka")]
pub(crate) struct Marked<DB: InboxDatabase> {
    pub(crate) tx: Transaction<'static, DB>,
    /// What became of each, in the order given.
    pub(crate) marks: Vec<Mark>,
}

/// What became of the mark of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is written.
    #[cfg(feature = "kafka")]
    New,
    /// It was there, or is there twice.
    Done,
    /// A claim is there, which may run out.
    Held(Duration),
}

impl<DB: InboxDatabase> SqlInbox<DB> {
    /// How long a handled event is remembered, by default: 7 days.
    pub const RETENTION: Duration = RETENTION;

    /// An inbox in the database of `pool`, the one that the handlers write to.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self {
            pool,
            retention: Self::RETENTION,
        }
    }

    /// Sets how long a handled event is remembered, at least 1 s: [`RETENTION`](Self::RETENTION) unless set. It has to be longer than a
    /// record may come late, replayed dead letters included.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention.max(Duration::from_secs(1));
        self
    }

    /// Deletes at most `limit` entries that are over; how many there were. [`InboxPurge`] does it from time to time.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn purge(&self, limit: u32) -> Result<u64, ServiceError> {
        Ok(DB::purge(&self.pool, limit).await?)
    }

    /// Begins a transaction and marks events in it, in one statement. It waits for other transactions that mark one of them.
    #[cfg(feature = "kafka")]
    pub(crate) async fn mark(
        &self,
        group: &ConsumerGroup,
        events: &[Uuid],
    ) -> Result<Marked<DB>, ServiceError> {
        let mut tx = DB::begin(&self.pool).await?;
        let mut distinct = events.to_vec();
        // In one order everywhere, so that two transactions never wait for each other.
        distinct.sort_unstable();
        distinct.dedup();
        let new = DB::mark(&mut tx, group, &distinct, self.retention).await?;
        let mut new: HashSet<Uuid> = new.into_iter().collect();
        let mut there = HashMap::new();
        if new.len() < distinct.len() {
            distinct.retain(|event| !new.contains(event));
            let found = DB::find(&mut tx, group, &distinct).await?;
            there.extend(found.into_iter().map(|entry| (entry.event_id, entry)));
        }
        let marks = events.iter().map(|event| {
            if new.remove(event) {
                return Mark::New;
            }
            there.get(event).map_or(Mark::Done, Entry::mark)
        });
        let marks = marks.collect();
        Ok(Marked { tx, marks })
    }
}

#[cfg(feature = "kafka")]
impl<DB: InboxDatabase> Marked<DB> {
    /// Commits the effect and the marks.
    pub(crate) async fn commit(mut self) -> Result<(), ServiceError> {
        // A transaction that the database has given up would be "committed" without a word.
        DB::check(&mut self.tx).await?;
        Ok(self.tx.commit().await?)
    }

    pub(crate) async fn rollback(self) -> Result<(), ServiceError> {
        Ok(self.tx.rollback().await?)
    }
}

#[async_trait]
impl<DB: InboxDatabase> IdempotencyStore for SqlInbox<DB> {
    async fn claim(&self, key: &IdempotencyKey, lease: Duration) -> Result<Claim, ServiceError> {
        let id = ClaimId::new();
        let mut tx = DB::begin(&self.pool).await?;
        if DB::claim(&mut tx, key, id.as_uuid(), lease).await? {
            tx.commit().await?;
            return Ok(Claim::Acquired(id));
        }
        let found = DB::find(&mut tx, key.group(), &[key.event_id()]).await?;
        tx.rollback().await?;
        Ok(match found.first().map(Entry::mark) {
            Some(Mark::Done) => Claim::Done,
            Some(Mark::Held(retry_after)) => Claim::Held { retry_after },
            // It was given back meanwhile.
            _ => Claim::Held {
                retry_after: Duration::ZERO,
            },
        })
    }

    async fn confirm(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        let mut tx = DB::begin(&self.pool).await?;
        if DB::confirm(&mut tx, key, claim.as_uuid(), self.retention).await? {
            return Ok(tx.commit().await?);
        }
        Err(ServiceError::Aborted("claim of the event ran out".into()))
    }

    async fn release(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        let mut tx = DB::begin(&self.pool).await?;
        DB::release(&mut tx, key, claim.as_uuid()).await?;
        Ok(tx.commit().await?)
    }
}

impl Entry {
    fn mark(&self) -> Mark {
        let Some(seconds) = self.claimed_for else {
            return Mark::Done;
        };
        let left = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        // A claim that has run out is the next one's to take.
        Mark::Held(left.min(HELD_WAIT))
    }
}

impl<DB: InboxDatabase> Clone for SqlInbox<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            retention: self.retention,
        }
    }
}

impl<DB: InboxDatabase> fmt::Debug for SqlInbox<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlInbox")
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}
