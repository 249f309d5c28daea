use nova_errors::ServiceError;
use sqlx::SqlitePool;

use crate::database::Migration;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: include_str!("../../migrations/sqlite/0001_outbox.sql"),
}];

/// The version that the tables have after them.
pub(crate) const LATEST_VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

pub(super) async fn migrate(pool: &SqlitePool) -> Result<(), ServiceError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS outbox_migrations (
            version    INTEGER NOT NULL PRIMARY KEY,
            applied_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
        ) STRICT",
    )
    .execute(&mut *tx)
    .await?;
    let applied: Option<i32> = sqlx::query_scalar("SELECT max(version) FROM outbox_migrations")
        .fetch_one(&mut *tx)
        .await?;
    for migration in MIGRATIONS.iter().filter(|m| Some(m.version) > applied) {
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO outbox_migrations (version) VALUES (?1)")
            .bind(migration.version)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}
