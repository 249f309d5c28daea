use std::time::Duration;

use nova_errors::ServiceError;
use sqlx::{Database, Pool, Transaction};

use crate::idempotency::{CommandKey, Fingerprint};

/// A database that can hold the answers of commands: `sqlx::Postgres` and `sqlx::Sqlite`, by the features of those names.
///
/// It lets a service say once which database it is built for:
///
/// ```
/// use nova_service::{IdempotencyDatabase, SqlIdempotencyStore};
///
/// type Db = sqlx::Sqlite; // or sqlx::Postgres
///
/// fn store(pool: sqlx::Pool<Db>) -> SqlIdempotencyStore<Db> {
///     SqlIdempotencyStore::new(pool)
/// }
/// # fn needs<DB: IdempotencyDatabase>() {}
/// # needs::<Db>();
/// ```
///
/// Sealed: the statements are part of this crate's contract.
pub trait IdempotencyDatabase: Database + sealed::Sealed {
    /// Begins a transaction that writes.
    #[doc(hidden)]
    fn begin(
        pool: &Pool<Self>,
    ) -> impl Future<Output = Result<Transaction<'static, Self>, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Locks a key until the transaction ends; false where another has it.
    #[doc(hidden)]
    fn try_lock(
        tx: &mut Transaction<'static, Self>,
        key: &CommandKey,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send
    where
        Self: Sized;

    /// What a key came to.
    #[doc(hidden)]
    fn find(
        tx: &mut Transaction<'static, Self>,
        key: &CommandKey,
    ) -> impl Future<Output = Result<Option<FoundAnswer>, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Keeps an answer; false where there is one already.
    #[doc(hidden)]
    fn insert(
        tx: &mut Transaction<'static, Self>,
        answer: NewAnswer<'_>,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Runs a statement without parameters.
    #[doc(hidden)]
    fn execute(
        tx: &mut Transaction<'static, Self>,
        statement: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        Self: Sized;

    /// Deletes answers whose retention is over.
    #[doc(hidden)]
    fn purge(
        pool: &Pool<Self>,
        limit: u32,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Brings the tables up to date.
    #[doc(hidden)]
    fn migrate(pool: &Pool<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        Self: Sized;
}

/// A row that was found.
#[doc(hidden)]
#[derive(Debug)]
pub struct FoundAnswer {
    pub(super) fingerprint: Vec<u8>,
    pub(super) answer: String,
}

/// A row to be written.
#[doc(hidden)]
#[derive(Debug)]
pub struct NewAnswer<'a> {
    pub(super) key: &'a CommandKey,
    pub(super) fingerprint: &'a Fingerprint,
    pub(super) answer: &'a str,
    pub(super) retention: Duration,
}

/// Makes the table of a [`SqlIdempotencyStore`](crate::SqlIdempotencyStore), or brings it up to date.
///
/// The migrations are embedded in the crate and keep a ledger of their own (`idempotency_migrations`), so that they don't meet those of the service. Running
/// them again changes nothing, and processes that start at once wait for each other. On PostgreSQL the table goes into the first schema
/// of the connection's search path.
///
/// # Errors
///
/// Those of the database: `ServiceUnavailable` where it is away, `Internal` where it refuses a statement. A failed migration is rolled
/// back as a whole.
pub async fn migrate<DB: IdempotencyDatabase>(pool: &Pool<DB>) -> Result<(), ServiceError> {
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
