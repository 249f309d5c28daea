mod claim;
mod database;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction;

use std::fmt;

use async_trait::async_trait;
use nova_errors::ServiceError;
use sqlx::Pool;

use self::claim::{Keyed, SqlClaim};
use super::in_flight::InFlight;
use super::{Claim, CommandClaim, CommandKey, Fingerprint, IdempotencyStore, StoredAnswer};

pub use database::{IdempotencyDatabase, migrate};
pub use transaction::CommandTransaction;

/// An [`IdempotencyStore`] in the service's own database: key and answer are written in the handler's transaction, so that a command
/// takes effect once, whatever crashes.
///
/// The handler takes the transaction as a [`CommandTransaction`], and neither commits it nor rolls it back: the
/// [`IdempotencyLayer`](crate::IdempotencyLayer) does, once it has the answer. What an outbox enqueues in it exists if the command took effect.
///
/// | the handler | the transaction |
/// |---|---|
/// | succeeds | is committed, with the answer |
/// | fails for good, or panics | is undone; the failure is committed in its place |
/// | fails in a way that may pass, or is dropped | is rolled back |
///
/// A commit whose own answer is lost is answered `ServiceUnavailable` with an unknown effect; the next attempt finds what became of it. A
/// command without a key has a transaction too, in which no answer is kept.
///
/// A command holds a connection of the pool for as long as its handler runs; a handler that takes a second one may wait for itself. On PostgreSQL an advisory lock of the transaction, on the
/// key, tells other processes at once that the command is in flight; it works through PgBouncer in transaction mode. On SQLite one command writes at a
/// time: another one, of whatever key, waits for as long as the connection's busy time-out says.
///
/// Where a process vanishes with its machine, PostgreSQL learns of it by its TCP keep-alive alone, and until then the keys of its commands stay in flight: set
/// `tcp_keepalives_idle` and the like to less than the two hours that they mostly are. Any isolation level is right; a commit that the database
/// refuses leaves nothing, and the next attempt runs.
///
/// The answers stay until an [`IdempotencyPurge`](crate::IdempotencyPurge) deletes them. The tables are made by [`migrate_idempotency`](crate::migrate_idempotency).
///
/// ```
/// use nova_errors::ServiceError;
/// use nova_service::{
///     Command, CommandReply, CommandRouter, CommandTransaction, IdempotencyLayer, SqlIdempotencyStore,
///     migrate_idempotency,
/// };
///
/// type Db = sqlx::Sqlite; // or sqlx::Postgres
///
/// async fn charge(
///     mut tx: CommandTransaction<Db>,
///     command: Command<i64>,
/// ) -> Result<CommandReply<i64>, ServiceError> {
///     sqlx::query("INSERT INTO charges (cents) VALUES ($1)")
///         .bind(*command)
///         .execute(&mut **tx)
///         .await?;
///     Ok(command.reply(*command))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// migrate_idempotency(&pool).await?;
/// let store = SqlIdempotencyStore::new(pool);
/// let commands: axum::Router = CommandRouter::new("billing-service")
///     .command("charges/create", charge)
///     .layer(IdempotencyLayer::new(store))
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub struct SqlIdempotencyStore<DB: IdempotencyDatabase> {
    pool: Pool<DB>,
    in_flight: InFlight,
}

impl<DB: IdempotencyDatabase> SqlIdempotencyStore<DB> {
    /// A store in the database of `pool`, the one that the handlers write to.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self {
            pool,
            in_flight: InFlight::default(),
        }
    }
}

#[async_trait]
impl<DB: IdempotencyDatabase> IdempotencyStore for SqlIdempotencyStore<DB> {
    async fn claim(
        &self,
        key: &CommandKey,
        fingerprint: &Fingerprint,
    ) -> Result<Claim, ServiceError> {
        // Those of this process are told without a connection, which a slow command's callers would else use up.
        let Some(entered) = self.in_flight.enter(*key) else {
            return Ok(Claim::IN_FLIGHT);
        };
        let mut tx = DB::begin(&self.pool).await?;
        if !DB::try_lock(&mut tx, key).await? {
            tx.rollback().await?;
            return Ok(Claim::IN_FLIGHT);
        }
        let Some(found) = DB::find(&mut tx, key).await? else {
            let keyed = Keyed::new(*key, *fingerprint, entered);
            return Ok(Claim::Acquired(Box::new(
                SqlClaim::begin(tx, Some(keyed)).await?,
            )));
        };
        tx.rollback().await?;
        if found.fingerprint != fingerprint.as_bytes() {
            return Ok(Claim::Mismatch);
        }
        let answer = StoredAnswer::from_json(found.answer.as_bytes())?;
        Ok(Claim::Answered(answer))
    }

    async fn without_key(&self) -> Result<Option<Box<dyn CommandClaim>>, ServiceError> {
        let tx = DB::begin(&self.pool).await?;
        Ok(Some(Box::new(SqlClaim::begin(tx, None).await?)))
    }

    async fn purge(&self, limit: u32) -> Result<u64, ServiceError> {
        Ok(DB::purge(&self.pool, limit).await?)
    }
}

impl<DB: IdempotencyDatabase> Clone for SqlIdempotencyStore<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            in_flight: self.in_flight.clone(),
        }
    }
}

impl<DB: IdempotencyDatabase> fmt::Debug for SqlIdempotencyStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlIdempotencyStore")
            .finish_non_exhaustive()
    }
}
