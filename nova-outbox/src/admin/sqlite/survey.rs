use std::time::Duration;

use sqlx::{Row, SqliteConnection};

use crate::admin::survey::{Engine, Survey};
use crate::{OutboxSummary, row};

const SURVEY: &str = "
    WITH clock (ms) AS (SELECT CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER))
    SELECT
        strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS now,
        (SELECT count(*) FROM outbox_leases) AS leases,
        (SELECT (max(expires_at) - ms) / 1000.0 FROM outbox_leases) AS longest_lease,
        (SELECT count(*) FROM outbox_events e WHERE NOT EXISTS (
            SELECT 1 FROM outbox_leases l WHERE l.bucket = e.bucket AND l.owner IS NOT NULL AND l.expires_at > ms
        )) AS unowned_events,
        (SELECT count(*) FROM outbox_scheduled WHERE due_at < ms - 60000) AS overdue,
        (SELECT coalesce(max(length(payload)), 0) FROM outbox_events) AS largest_payload,
        (SELECT count(*) > 0 FROM sqlite_schema
            WHERE name = 'outbox_events' AND upper(sql) LIKE '%AUTOINCREMENT%') AS in_order
    FROM clock";

pub(super) async fn survey(
    connection: &mut SqliteConnection,
    summary: OutboxSummary,
) -> Result<Survey, sqlx::Error> {
    let row = sqlx::query(SURVEY).fetch_one(&mut *connection).await?;
    let journal_mode = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(connection)
        .await?;
    let longest_lease: Option<f64> = row.try_get("longest_lease")?;
    Ok(Survey {
        summary,
        leases: row.try_get("leases")?,
        longest_lease: longest_lease.map(|seconds| -> Duration { row::age(Some(seconds)) }),
        unowned_events: row.try_get("unowned_events")?,
        overdue: row.try_get("overdue")?,
        largest_payload: row.try_get("largest_payload")?,
        now: row.try_get("now")?,
        is_numbered_in_order: row.try_get("in_order")?,
        engine: Engine::Sqlite { journal_mode },
    })
}
