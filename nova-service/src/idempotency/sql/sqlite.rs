//! The answers on SQLite.
//!
//! The transaction of a command begins as one that writes (`BEGIN IMMEDIATE`): one that began as a reader can be refused when it
//! comes to write, without a wait.

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::IdempotencyDatabase;
use super::database::{FoundAnswer, Migration, NewAnswer, sealed};
use crate::idempotency::CommandKey;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: include_str!("../../../migrations/sqlite/0001_idempotency.sql"),
}];

const FIND: &str = "
    SELECT fingerprint, answer FROM idempotency_answers
    WHERE key = ?1 AND expires_at > CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)";

const INSERT: &str = "
    INSERT INTO idempotency_answers AS old (key, fingerprint, answer, expires_at)
    VALUES (?1, ?2, ?3, CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) + ?4)
    ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE old.expires_at <= CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)";

const PURGE: &str = "
    DELETE FROM idempotency_answers WHERE key IN (
        SELECT key FROM idempotency_answers
        WHERE expires_at <= CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)
        ORDER BY expires_at LIMIT ?1)";

impl sealed::Sealed for Sqlite {}

impl IdempotencyDatabase for Sqlite {
    async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Self>, sqlx::Error> {
        pool.begin_with("BEGIN IMMEDIATE").await
    }

    /// Whoever has a transaction that writes has it alone.
    async fn try_lock(
        _tx: &mut Transaction<'static, Self>,
        _key: &CommandKey,
    ) -> Result<bool, sqlx::Error> {
        Ok(true)
    }

    async fn find(
        tx: &mut Transaction<'static, Self>,
        key: &CommandKey,
    ) -> Result<Option<FoundAnswer>, sqlx::Error> {
        let found: Option<(Vec<u8>, String)> = sqlx::query_as(FIND)
            .bind(key.as_bytes().as_slice())
            .fetch_optional(&mut **tx)
            .await?;
        Ok(found.map(|(fingerprint, answer)| FoundAnswer {
            fingerprint,
            answer,
        }))
    }

    async fn insert(
        tx: &mut Transaction<'static, Self>,
        answer: NewAnswer<'_>,
    ) -> Result<bool, sqlx::Error> {
        let inserted = sqlx::query(INSERT)
            .bind(answer.key.as_bytes().as_slice())
            .bind(answer.fingerprint.as_bytes().as_slice())
            .bind(answer.answer)
            .bind(i64::try_from(answer.retention.as_millis()).unwrap_or(i64::MAX))
            .execute(&mut **tx)
            .await?;
        Ok(inserted.rows_affected() == 1)
    }

    async fn execute(
        tx: &mut Transaction<'static, Self>,
        statement: &'static str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(&mut **tx).await?;
        Ok(())
    }

    async fn purge(pool: &SqlitePool, limit: u32) -> Result<u64, sqlx::Error> {
        let purged = sqlx::query(PURGE).bind(limit).execute(pool).await?;
        Ok(purged.rows_affected())
    }

    async fn migrate(pool: &SqlitePool) -> Result<(), sqlx::Error> {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS idempotency_migrations (
                version    INTEGER NOT NULL PRIMARY KEY,
                applied_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
            ) STRICT",
        )
        .execute(&mut *tx)
        .await?;
        let applied: Option<i32> =
            sqlx::query_scalar("SELECT max(version) FROM idempotency_migrations")
                .fetch_one(&mut *tx)
                .await?;
        for migration in MIGRATIONS.iter().filter(|m| Some(m.version) > applied) {
            sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO idempotency_migrations (version) VALUES (?1)")
                .bind(migration.version)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }
}
