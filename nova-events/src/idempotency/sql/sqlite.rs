//! The inbox on SQLite.
//!
//! Transactions begin as writing ones (`BEGIN IMMEDIATE`): one that began as a reader can be refused when it comes to
//! write, without a wait.

use std::time::Duration;

use sqlx::{QueryBuilder, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use super::InboxDatabase;
use super::database::{Entry, Migration, sealed};
use crate::{ConsumerGroup, IdempotencyKey};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: include_str!("../../../migrations/sqlite/0001_inbox.sql"),
}];

/// SQLite takes 32 766 parameters a statement.
const EVENTS_PER_STATEMENT: usize = 5_000;

macro_rules! now {
    () => {
        "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)"
    };
}

const MARK: &str = "INSERT INTO inbox_events AS old (consumer_group, event_id, expires_at) ";

const MARK_CONFLICT: &str = concat!(
    " ON CONFLICT (consumer_group, event_id)
        DO UPDATE SET claim = NULL, expires_at = excluded.expires_at WHERE old.expires_at <= ",
    now!(),
    " RETURNING event_id"
);

const FIND: &str = concat!(
    "SELECT event_id, CASE WHEN claim IS NOT NULL THEN (expires_at - ",
    now!(),
    ") / 1000.0 END FROM inbox_events WHERE consumer_group = "
);

const CLAIM: &str = concat!(
    "INSERT INTO inbox_events AS old (consumer_group, event_id, claim, expires_at) VALUES (?1, ?2, ?3, ?4 + ",
    now!(),
    ") ON CONFLICT (consumer_group, event_id)
        DO UPDATE SET claim = excluded.claim, expires_at = excluded.expires_at WHERE old.expires_at <= ",
    now!()
);

const CONFIRM: &str = concat!(
    "UPDATE inbox_events SET claim = NULL, expires_at = ?4 + ",
    now!(),
    " WHERE consumer_group = ?1 AND event_id = ?2 AND claim = ?3"
);

const RELEASE: &str = "
    DELETE FROM inbox_events WHERE consumer_group = ?1 AND event_id = ?2 AND claim = ?3";

const PURGE: &str = concat!(
    "DELETE FROM inbox_events WHERE (consumer_group, event_id) IN (
        SELECT consumer_group, event_id FROM inbox_events WHERE expires_at <= ",
    now!(),
    " ORDER BY expires_at LIMIT ?1)"
);

impl sealed::Sealed for Sqlite {}

impl InboxDatabase for Sqlite {
    async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Self>, sqlx::Error> {
        pool.begin_with("BEGIN IMMEDIATE").await
    }

    async fn mark(
        tx: &mut Transaction<'static, Self>,
        group: &ConsumerGroup,
        events: &[Uuid],
        retention: Duration,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let mut new = Vec::with_capacity(events.len());
        for events in events.chunks(EVENTS_PER_STATEMENT) {
            let mut statement = QueryBuilder::<Sqlite>::new(MARK);
            statement.push_values(events, |mut row, event| {
                row.push_bind(group.as_str())
                    .push_bind(event)
                    .push(concat!(now!(), " + "))
                    .push_bind_unseparated(millis(retention));
            });
            statement.push(MARK_CONFLICT);
            // The statement cache is for the statements that come again: those of one event.
            let marked: Vec<Uuid> = statement
                .build_query_scalar()
                .persistent(events.len() == 1)
                .fetch_all(&mut **tx)
                .await?;
            new.extend(marked);
        }
        Ok(new)
    }

    async fn find(
        tx: &mut Transaction<'static, Self>,
        group: &ConsumerGroup,
        events: &[Uuid],
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let mut found = Vec::with_capacity(events.len());
        for events in events.chunks(EVENTS_PER_STATEMENT) {
            let mut statement = QueryBuilder::<Sqlite>::new(FIND);
            statement
                .push_bind(group.as_str())
                .push(" AND event_id IN (");
            let mut ids = statement.separated(", ");
            for event in events {
                ids.push_bind(event);
            }
            statement.push(")");
            let rows: Vec<(Uuid, Option<f64>)> = statement
                .build_query_as()
                .persistent(events.len() == 1)
                .fetch_all(&mut **tx)
                .await?;
            found.extend(rows.into_iter().map(Entry::from));
        }
        Ok(found)
    }

    /// SQLite refuses to commit a transaction that it has given up.
    async fn check(_tx: &mut Transaction<'static, Self>) -> Result<(), sqlx::Error> {
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
            .bind(millis(lease))
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
            .bind(millis(retention))
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
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    async fn purge(pool: &SqlitePool, limit: u32) -> Result<u64, sqlx::Error> {
        let purged = sqlx::query(PURGE).bind(limit).execute(pool).await?;
        Ok(purged.rows_affected())
    }

    async fn migrate(pool: &SqlitePool) -> Result<(), sqlx::Error> {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS inbox_migrations (
                version    INTEGER NOT NULL PRIMARY KEY,
                applied_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
            ) STRICT",
        )
        .execute(&mut *tx)
        .await?;
        let applied: Option<i32> = sqlx::query_scalar("SELECT max(version) FROM inbox_migrations")
            .fetch_one(&mut *tx)
            .await?;
        for migration in MIGRATIONS.iter().filter(|m| Some(m.version) > applied) {
            sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO inbox_migrations (version) VALUES (?1)")
                .bind(migration.version)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }
}

/// SQLite's integers have a sign.
fn millis(duration: Duration) -> i64 {
    // Far enough from the end that the time of day can be added.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
