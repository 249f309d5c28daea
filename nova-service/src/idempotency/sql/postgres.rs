//! The answers on PostgreSQL.
//!
//! Every statement is unprepared and inside a transaction, so that it works through PgBouncer in transaction mode.

use sqlx::{PgPool, Postgres, Transaction};

use super::IdempotencyDatabase;
use super::database::{FoundAnswer, Migration, NewAnswer, sealed};
use crate::idempotency::CommandKey;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: include_str!("../../../migrations/postgres/0001_idempotency.sql"),
}];

/// Any number that nobody else uses; the bytes say "novaidem".
const MIGRATION_LOCK: i64 = 0x6e6f_7661_6964_656d;

// In a session that reads one snapshot per transaction an answer can be there unseen: then the insert fails. The retention begins with the
// answer, and not with the transaction.
const INSERT: &str = "
    INSERT INTO idempotency_answers AS old (key, fingerprint, answer, expires_at)
    VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
    ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE old.expires_at <= now()";

// Advisory locks are the database's; those of another schema's table are others.
const TRY_LOCK: &str =
    "SELECT pg_try_advisory_xact_lock($1 # 'idempotency_answers'::regclass::oid::bigint)";

const PURGE: &str = "
    DELETE FROM idempotency_answers WHERE key IN (
        SELECT key FROM idempotency_answers WHERE expires_at <= now()
        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)";

impl sealed::Sealed for Postgres {}

impl IdempotencyDatabase for Postgres {
    async fn begin(pool: &PgPool) -> Result<Transaction<'static, Self>, sqlx::Error> {
        pool.begin().await
    }

    async fn try_lock(
        tx: &mut Transaction<'static, Self>,
        key: &CommandKey,
    ) -> Result<bool, sqlx::Error> {
        // Of the digest's 256 bits. Two commands that run at once and share these are as good as impossible, and one of them would come back later.
        let [a, b, c, d, e, f, g, h, ..] = *key.as_bytes();
        sqlx::query_scalar(TRY_LOCK)
            .bind(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
            .persistent(false)
            .fetch_one(&mut **tx)
            .await
    }

    async fn find(
        tx: &mut Transaction<'static, Self>,
        key: &CommandKey,
    ) -> Result<Option<FoundAnswer>, sqlx::Error> {
        // A statement of its own, after the lock: one with it would not see what the lock's last holder committed.
        let found: Option<(Vec<u8>, String)> = sqlx::query_as(
            "SELECT fingerprint, answer FROM idempotency_answers WHERE key = $1 AND expires_at > now()",
        )
        .bind(key.as_bytes().as_slice())
        .persistent(false)
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
            .bind(answer.retention.as_secs_f64())
            .persistent(false)
            .execute(&mut **tx)
            .await?;
        Ok(inserted.rows_affected() == 1)
    }

    async fn execute(
        tx: &mut Transaction<'static, Self>,
        statement: &'static str,
    ) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(statement).execute(&mut **tx).await?;
        Ok(())
    }

    async fn purge(pool: &PgPool, limit: u32) -> Result<u64, sqlx::Error> {
        let mut tx = pool.begin().await?;
        let purged = sqlx::query(PURGE)
            .bind(i64::from(limit))
            .persistent(false)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(purged.rows_affected())
    }

    async fn migrate(pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut tx = pool.begin().await?;
        // Of the transaction, not of the session, which a pooler may hand to somebody else.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(MIGRATION_LOCK)
            .persistent(false)
            .execute(&mut *tx)
            .await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS idempotency_migrations (
                version    integer     NOT NULL PRIMARY KEY,
                applied_at timestamptz NOT NULL DEFAULT now()
            )",
        )
        .execute(&mut *tx)
        .await?;
        let applied: Option<i32> =
            sqlx::query_scalar("SELECT max(version) FROM idempotency_migrations")
                .persistent(false)
                .fetch_one(&mut *tx)
                .await?;
        for migration in MIGRATIONS.iter().filter(|m| Some(m.version) > applied) {
            sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO idempotency_migrations (version) VALUES ($1)")
                .bind(migration.version)
                .persistent(false)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }
}
