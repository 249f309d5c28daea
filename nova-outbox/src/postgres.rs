//! The outbox on PostgreSQL.
//!
//! Every statement is unprepared and inside a transaction, so that it works through PgBouncer in
//! transaction mode.

mod enqueue;
mod floors;
mod leases;
mod listener;
mod migrate;
mod notifier;
mod outcomes;
mod read;
mod repository;
mod scheduled;

use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::NewEvent;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::OutboxDatabase;

pub use listener::PostgresListener;
pub(crate) use migrate::LATEST_VERSION;
pub use notifier::PostgresNotifier;
pub use repository::PostgresOutboxRepository;

impl crate::database::sealed::Sealed for Postgres {}

impl OutboxDatabase for Postgres {
    type Repository = PostgresOutboxRepository;

    #[cfg(feature = "test-util")]
    const EXPIRE_LEASES: &'static str = "
        WITH relays AS (UPDATE outbox_relays SET expires_at = now() - interval '1 second')
        UPDATE outbox_leases SET expires_at = now() - interval '1 second' WHERE owner IS NOT NULL";

    async fn insert<'a>(
        tx: &'a mut Transaction<'_, Self>,
        events: &'a [NewEvent],
        lock: bool,
    ) -> Result<(), sqlx::Error> {
        enqueue::insert(tx, events, lock).await
    }

    async fn schedule<'a>(
        tx: &'a mut Transaction<'_, Self>,
        event: &'a NewEvent,
        due_at: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        enqueue::schedule(tx, event, due_at).await
    }

    async fn cancel(tx: &mut Transaction<'_, Self>, id: Uuid) -> Result<bool, sqlx::Error> {
        enqueue::cancel(tx, id).await
    }

    async fn migrate(pool: &PgPool) -> Result<(), ServiceError> {
        migrate::migrate(pool).await
    }
}
