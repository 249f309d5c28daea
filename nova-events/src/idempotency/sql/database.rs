use std::time::Duration;

use nova_errors::ServiceError;
use sqlx::{Database, Pool, Transaction};
use uuid::Uuid;

use crate::{ConsumerGroup, IdempotencyKey};

/// A database that can hold an inbox: `sqlx::Postgres` and `sqlx::Sqlite`, by the features of those names.
///
/// Sealed: the statements are part of this crate's contract.
pub trait InboxDatabase: Database + sealed::Sealed {
    /// Begins a transaction that writes.
    #[doc(hidden)]
    fn begin(
        pool: &Pool<Self>,
    ) -> impl Future<Output = Result<Transaction<'static, Self>, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Marks events as handled; those that were not yet.
    #[doc(hidden)]
    fn mark(
        tx: &mut Transaction<'static, Self>,
        group: &ConsumerGroup,
        events: &[Uuid],
        retention: Duration,
    ) -> impl Future<Output = Result<Vec<Uuid>, sqlx::Error>> + Send
    where
        Self: Sized;

    /// What is there of these events.
    #[doc(hidden)]
    fn find(
        tx: &mut Transaction<'static, Self>,
        group: &ConsumerGroup,
        events: &[Uuid],
    ) -> impl Future<Output = Result<Vec<Entry>, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Fails in a transaction that the database has given up.
    #[doc(hidden)]
    fn check(
        tx: &mut Transaction<'static, Self>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        Self: Sized;

    /// Claims an event; false where it is handled or claimed.
    #[doc(hidden)]
    fn claim(
        tx: &mut Transaction<'static, Self>,
        key: &IdempotencyKey,
        claim: Uuid,
        lease: Duration,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Makes a claim a mark; false where it is not this one's any more.
    #[doc(hidden)]
    fn confirm(
        tx: &mut Transaction<'static, Self>,
        key: &IdempotencyKey,
        claim: Uuid,
        retention: Duration,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Deletes a claim.
    #[doc(hidden)]
    fn release(
        tx: &mut Transaction<'static, Self>,
        key: &IdempotencyKey,
        claim: Uuid,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        Self: Sized;

    /// Deletes entries that are over.
    #[doc(hidden)]
    fn purge(
        pool: &Pool<Self>,
        limit: u32,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Brings the table up to date.
    #[doc(hidden)]
    fn migrate(pool: &Pool<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        Self: Sized;
}

/// An entry that was found.
#[doc(hidden)]
#[derive(Debug)]
pub struct Entry {
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "of batches"))]
    pub(super) event_id: Uuid,
    /// How long the claim still lives, in seconds; `None` where the event is handled.
    pub(super) claimed_for: Option<f64>,
}

impl From<(Uuid, Option<f64>)> for Entry {
    fn from((event_id, claimed_for): (Uuid, Option<f64>)) -> Self {
        Self {
            event_id,
            claimed_for,
        }
    }
}

/// Makes the table of a [`SqlInbox`](crate::SqlInbox), or brings it up to date.
///
/// The migrations are embedded in the crate and keep a ledger of their own (`inbox_migrations`), so that they don't meet those of the
/// service. Running them again changes nothing, and processes that start at once wait for each other. On PostgreSQL the
/// table goes into the first schema of the connection's search path.
///
/// # Errors
///
/// Those of the database: `ServiceUnavailable` where it is away, `Internal` where it refuses a statement. A failed
/// migration is rolled back as a whole.
pub async fn migrate_inbox<DB: InboxDatabase>(pool: &Pool<DB>) -> Result<(), ServiceError> {
    Ok(DB::migrate(pool).await?)
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// One step of the schema; steps are applied in order of their version.
pub(super) struct Migration {
    pub(super) version: i32,
    pub(super) sql: &'static str,
}
