use std::time::Duration;

use sqlx::{PgConnection, Row};

use crate::{OutboxStats, OutboxSummary, SchemaVersion, row};

const SUMMARY: &str = "
    SELECT
        (SELECT count(*) FROM outbox_events) AS pending,
        (SELECT count(*) FROM outbox_retries) AS retrying,
        (SELECT count(*) FROM outbox_dead) AS dead,
        (SELECT count(*) FROM outbox_scheduled) AS scheduled,
        (SELECT extract(epoch FROM now() - min(first.created_at))::float8
            FROM generate_series(0, 63) AS b (bucket)
            CROSS JOIN LATERAL (
                SELECT e.created_at FROM outbox_events e WHERE e.bucket = b.bucket ORDER BY e.seq LIMIT 1
            ) first) AS oldest_age,
        (SELECT extract(epoch FROM now() - min(died_at))::float8 FROM outbox_dead) AS oldest_dead,
        (SELECT extract(epoch FROM min(due_at) - now())::float8 FROM outbox_scheduled) AS next_due,
        (SELECT count(*) FROM outbox_relays WHERE expires_at > now()) AS relays,
        (SELECT count(*) FROM outbox_leases WHERE owner IS NOT NULL AND expires_at > now()) AS owned";

pub(super) async fn summary(connection: &mut PgConnection) -> Result<OutboxSummary, sqlx::Error> {
    let row = sqlx::query(SUMMARY)
        .persistent(false)
        .fetch_one(connection)
        .await?;
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
    connection: &mut PgConnection,
) -> Result<SchemaVersion, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('outbox_migrations') IS NOT NULL")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    let applied = if exists {
        sqlx::query_scalar("SELECT max(version) FROM outbox_migrations")
            .persistent(false)
            .fetch_one(connection)
            .await?
    } else {
        None
    };
    Ok(SchemaVersion {
        applied,
        latest: crate::postgres::LATEST_VERSION,
    })
}
