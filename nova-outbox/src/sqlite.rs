//! The outbox on SQLite.
//!
//! Writing transactions begin as such (`BEGIN IMMEDIATE`): one that began as a reader can be
//! refused when it comes to write, without a wait.

mod enqueue;
mod leases;
mod migrate;
mod outcomes;
mod read;
mod repository;
mod scheduled;

use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::NewEvent;
use sqlx::{Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use crate::OutboxDatabase;

pub(crate) use migrate::LATEST_VERSION;
pub use repository::SqliteOutboxRepository;

impl crate::database::sealed::Sealed for Sqlite {}

impl OutboxDatabase for Sqlite {
    type Repository = SqliteOutboxRepository;

    #[cfg(feature = "test-util")]
    const EXPIRE_LEASES: &'static str = "UPDATE outbox_relays SET expires_at = 0; UPDATE outbox_leases SET expires_at = 0 WHERE owner IS NOT NULL";

    async fn insert<'a>(
        tx: &'a mut Transaction<'_, Self>,
        events: &'a [NewEvent],
        // Whoever writes has locked the whole database.
        _lock: bool,
    ) -> Result<(), sqlx::Error> {
        enqueue::insert(tx, events).await
    }

    async fn schedule<'a>(
        tx: &'a mut Transaction<'_, Self>,
        event: &'a NewEvent,
        due_at: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        scheduled::schedule(tx, event, due_at).await
    }

    async fn cancel(tx: &mut Transaction<'_, Self>, id: Uuid) -> Result<bool, sqlx::Error> {
        scheduled::cancel(tx, id).await
    }

    async fn migrate(pool: &SqlitePool) -> Result<(), ServiceError> {
        migrate::migrate(pool).await
    }
}
