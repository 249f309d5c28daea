//! The outbox on PostgreSQL.
//!
//! Every statement is unprepared and inside a transaction, so that it works through PgBouncer in
//! transaction mode.

mod enqueue;
mod leases;
mod migrate;
mod outcomes;
mod read;
mod repository;

use nova_errors::ServiceError;
use nova_events::NewEvent;
use sqlx::{PgPool, Postgres, Transaction};

use crate::OutboxDatabase;

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
    ) -> Result<(), sqlx::Error> {
        enqueue::insert(tx, events).await
    }

    async fn migrate(pool: &PgPool) -> Result<(), ServiceError> {
        migrate::migrate(pool).await
    }
}
