use std::time::Duration;

use sqlx::{Row, SqliteConnection};

use crate::{OutboxStats, OutboxSummary, SchemaVersion, row};

const SUMMARY: &str = "
    WITH clock (now, ms) AS (SELECT unixepoch('now', 'subsec'), CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER))
    SELECT
        (SELECT count(*) FROM outbox_events) AS pending,
        (SELECT count(*) FROM outbox_retries) AS retrying,
        (SELECT count(*) FROM outbox_dead) AS dead,
        (SELECT count(*) FROM outbox_scheduled) AS scheduled,
        (SELECT now - unixepoch(created_at, 'subsec') FROM outbox_events ORDER BY seq LIMIT 1) AS oldest_age,
        (SELECT now - unixepoch(min(died_at), 'subsec') FROM outbox_dead) AS oldest_dead,
        (SELECT (min(due_at) - ms) / 1000.0 FROM outbox_scheduled) AS next_due,
        (SELECT count(*) FROM outbox_relays WHERE expires_at > ms) AS relays,
        (SELECT count(*) FROM outbox_leases WHERE owner IS NOT NULL AND expires_at > ms) AS owned
    FROM clock";

pub(super) async fn summary(
    connection: &mut SqliteConnection,
) -> Result<OutboxSummary, sqlx::Error> {
    let row = sqlx::query(SUMMARY).fetch_one(connection).await?;
    let count = |column: &str| -> Result<u64, sqlx::Error> {
        Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
    };
    let seconds = |column: &str| -> Result<Option<Duration>, sqlx::Error> {
        let seconds: Option<f64> = row.try_get(column)?;
        Ok(seconds.map(|seconds| row::age(Some(seconds))))
    };
    Ok(OutboxSummary {
        stats: OutboxStats {
            pending: count("pending")?,
            retrying: count("retrying")?,
            dead: count("dead")?,
            oldest_age: seconds("oldest_age")?,
        },
        scheduled: count("scheduled")?,
        next_due: seconds("next_due")?,
        oldest_dead: seconds("oldest_dead")?,
        relays: count("relays")?,
        owned_buckets: count("owned")?,
    })
}

pub(super) async fn schema_version(
    connection: &mut SqliteConnection,
) -> Result<SchemaVersion, sqlx::Error> {
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'outbox_migrations')",
    )
    .fetch_one(&mut *connection)
    .await?;
    let applied = if exists {
        sqlx::query_scalar("SELECT max(version) FROM outbox_migrations")
            .fetch_one(connection)
            .await?
    } else {
        None
    };
    Ok(SchemaVersion {
        applied,
        latest: crate::sqlite::LATEST_VERSION,
    })
}
