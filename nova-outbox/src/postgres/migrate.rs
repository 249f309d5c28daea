use nova_errors::ServiceError;
use sqlx::PgPool;

use crate::database::Migration;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: include_str!("../../migrations/postgres/0001_outbox.sql"),
}];

/// The version that the tables have after them.
pub(crate) const LATEST_VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Any number that nobody else uses; the bytes say "novaoutb".
const LOCK: i64 = 0x6e6f_7661_6f75_7462;

pub(super) async fn migrate(pool: &PgPool) -> Result<(), ServiceError> {
    let mut tx = pool.begin().await?;
    // Of the transaction, not of the session, which a pooler may hand to somebody else.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .persistent(false)
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS outbox_migrations (
            version    integer     NOT NULL PRIMARY KEY,
            applied_at timestamptz NOT NULL DEFAULT now()
        )",
    )
    .execute(&mut *tx)
    .await?;
    let applied: Option<i32> = sqlx::query_scalar("SELECT max(version) FROM outbox_migrations")
        .persistent(false)
        .fetch_one(&mut *tx)
        .await?;
    for migration in MIGRATIONS.iter().filter(|m| Some(m.version) > applied) {
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO outbox_migrations (version) VALUES ($1)")
            .bind(migration.version)
            .persistent(false)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}
