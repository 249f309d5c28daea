//! The inbox on PostgreSQL.
//!
//! Every statement is unprepared and inside a transaction, so that it works through PgBouncer in transaction mode.

use std::time::Duration;

use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::InboxDatabase;
use super::database::{Entry, Migration, sealed};
use crate::{ConsumerGroup, IdempotencyKey};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: include_str!("../../../migrations/postgres/0001_inbox.sql"),
}];

/// Any number that nobody else uses; the bytes say "novainbx".
const MIGRATION_LOCK: i64 = 0x6e6f_7661_696e_6278;

// A conflict is no error, which would end the transaction.
const MARK: &str = "
    INSERT INTO inbox_events AS old (consumer_group, event_id, expires_at)
    SELECT $1, id, now() + make_interval(secs => $3) FROM unnest($2::uuid[]) AS e (id)
    ON CONFLICT (consumer_group, event_id)
        DO UPDATE SET claim = NULL, expires_at = excluded.expires_at WHERE old.expires_at <= now()
    RETURNING event_id";

const FIND: &str = "
    SELECT event_id,
        CASE WHEN claim IS NOT NULL THEN extract(epoch FROM expires_at - clock_timestamp())::float8 END
    FROM inbox_events WHERE consumer_group = $1 AND event_id = ANY($2)";

const CLAIM: &str = "
    INSERT INTO inbox_events AS old (consumer_group, event_id, claim, expires_at)
    VALUES ($1, $2, $3, now() + make_interval(secs => $4))
    ON CONFLICT (consumer_group, event_id)
        DO UPDATE SET claim = excluded.claim, expires_at = excluded.expires_at WHERE old.expires_at <= now()";

const CONFIRM: &str = "
    UPDATE inbox_events SET claim = NULL, expires_at = now() + make_interval(secs => $4)
    WHERE consumer_group = $1 AND event_id = $2 AND claim = $3";

const RELEASE: &str = "
    DELETE FROM inbox_events WHERE consumer_group = $1 AND event_id = $2 AND claim = $3";

const PURGE: &str = "
    DELETE FROM inbox_events WHERE (consumer_group, event_id) IN (
        SELECT consumer_group, event_id FROM inbox_events WHERE expires_at <= now()
        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)";

impl sealed::Sealed for Postgres {}

impl InboxDatabase for Postgres {
    async fn begin(pool: &PgPool) -> Result<Transaction<'static, Self>, sqlx::Error> {
        pool.begin().await
    }

    async fn mark(
        tx: &mut Transaction<'static, Self>,
        group: &ConsumerGroup,
        events: &[Uuid],
        retention: Duration,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        sqlx::query_scalar(MARK)
            .bind(group.as_str())
            .bind(events)
            .bind(retention.as_secs_f64())
            .persistent(false)
            .fetch_all(&mut **tx)
            .await
    }

    async fn find(
        tx: &mut Transaction<'static, Self>,
        group: &ConsumerGroup,
        events: &[Uuid],
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let found: Vec<(Uuid, Option<f64>)> = sqlx::query_as(FIND)
            .bind(group.as_str())
            .bind(events)
            .persistent(false)
            .fetch_all(&mut **tx)
            .await?;
        Ok(found.into_iter().map(Entry::from).collect())
    }

    async fn check(tx: &mut Transaction<'static, Self>) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("SELECT 1").execute(&mut **tx).await?;
        Ok(())
    }

    async fn claim(
        tx: &mut Transaction<'static, Self>,
        key: &IdempotencyKey,
        claim: Uuid,
        lease: Duration,
    ) -> Result<bool, sqlx::Error> {
        let claimed = sqlx::query(CLAIM)
            .bind(key.group().as_str())
            .bind(key.event_id())
            .bind(claim)
            .bind(lease.as_secs_f64())
            .persistent(false)
            .execute(&mut **tx)
            .await?;
        Ok(claimed.rows_affected() == 1)
    }

    async fn confirm(
        tx: &mut Transaction<'static, Self>,
        key: &IdempotencyKey,
        claim: Uuid,
        retention: Duration,
    ) -> Result<bool, sqlx::Error> {
        let confirmed = sqlx::query(CONFIRM)
            .bind(key.group().as_str())
            .bind(key.event_id())
            .bind(claim)
            .bind(retention.as_secs_f64())
            .persistent(false)
            .execute(&mut **tx)
            .await?;
        Ok(confirmed.rows_affected() == 1)
    }

    async fn release(
        tx: &mut Transaction<'static, Self>,
        key: &IdempotencyKey,
        claim: Uuid,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(RELEASE)
            .bind(key.group().as_str())
            .bind(key.event_id())
            .bind(claim)
            .persistent(false)
            .execute(&mut **tx)
            .await?;
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
            "CREATE TABLE IF NOT EXISTS inbox_migrations (
                version    integer     NOT NULL PRIMARY KEY,
                applied_at timestamptz NOT NULL DEFAULT now()
            )",
        )
        .execute(&mut *tx)
        .await?;
        let applied: Option<i32> = sqlx::query_scalar("SELECT max(version) FROM inbox_migrations")
            .persistent(false)
            .fetch_one(&mut *tx)
            .await?;
        for migration in MIGRATIONS.iter().filter(|m| Some(m.version) > applied) {
            sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO inbox_migrations (version) VALUES ($1)")
                .bind(migration.version)
                .persistent(false)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }
}
