use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::NewEvent;
use sqlx::{Database, Pool, Transaction};
use uuid::Uuid;

use crate::OutboxStore;

/// A database that can hold an outbox: `sqlx::Postgres` and `sqlx::Sqlite`, by the features of those names.
///
/// It lets a service say once which database it is built for:
///
/// ```
/// use nova_outbox::{Outbox, OutboxDatabase, OutboxRepository};
///
/// type Db = sqlx::Sqlite; // or sqlx::Postgres
///
/// fn repository(pool: sqlx::Pool<Db>) -> OutboxRepository<Db> {
///     OutboxRepository::<Db>::new(pool)
/// }
/// # fn needs<DB: OutboxDatabase>() {}
/// # needs::<Db>();
/// ```
///
/// Sealed: the statements are part of this crate's contract.
pub trait OutboxDatabase: Database + sealed::Sealed {
    /// What the relay reads and settles through.
    type Repository: OutboxStore + From<Pool<Self>>;

    /// Inserts events in order, in one statement, after taking the locks of their aggregates where it is to.
    #[doc(hidden)]
    fn insert<'a>(
        tx: &'a mut Transaction<'_, Self>,
        events: &'a [NewEvent],
        lock: bool,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send + 'a
    where
        Self: Sized;

    /// Inserts an event that waits for its time.
    #[doc(hidden)]
    fn schedule<'a>(
        tx: &'a mut Transaction<'_, Self>,
        event: &'a NewEvent,
        due_at: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send + 'a
    where
        Self: Sized;

    /// Deletes an event that waits for its time; whether there was one.
    #[doc(hidden)]
    fn cancel<'a>(
        tx: &'a mut Transaction<'_, Self>,
        id: Uuid,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send + 'a
    where
        Self: Sized;

    /// Lets every lease expire.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    const EXPIRE_LEASES: &'static str;

    /// Brings the tables up to date.
    #[doc(hidden)]
    fn migrate(pool: &Pool<Self>) -> impl Future<Output = Result<(), ServiceError>> + Send
    where
        Self: Sized;
}

/// What the relay reads and settles through, on the database `DB`: `PostgresOutboxRepository` or
/// `SqliteOutboxRepository`.
pub type OutboxRepository<DB> = <DB as OutboxDatabase>::Repository;

/// Makes the outbox's tables, or brings them up to date.
///
/// The migrations are embedded in the crate and keep a ledger of their own
/// (`outbox_migrations`), so that they don't meet those of the service. Running them again changes nothing, and
/// processes that start at once wait for each other. On PostgreSQL the tables go into the first
/// schema of the connection's search path.
///
/// # Errors
///
/// Those of the database: `ServiceUnavailable` where it is away, `Internal` where it refuses a statement. A failed
/// migration is rolled back as a whole.
pub async fn migrate<DB: OutboxDatabase>(pool: &Pool<DB>) -> Result<(), ServiceError> {
    DB::migrate(pool).await
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
/// One step of the schema; steps are applied in order of their version.
pub(crate) struct Migration {
    pub(crate) version: i32,
    pub(crate) sql: &'static str,
}
