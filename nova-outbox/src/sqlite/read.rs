use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{Row, SqliteConnection};
use uuid::fmt::Hyphenated;

use crate::row::{self, EventRow};
use crate::{Bucket, EventKey, OutboxStats, ReadBatch, ReadRequest, StoredEvent};

const DUE: &str = "
    SELECT r.bucket, r.seq, r.attempts, r.aggregate_type, r.aggregate_id,
        e.id, e.event_type, e.payload, e.schema_version, e.source, e.correlation_id, e.causation_id,
        e.traceparent, e.tracestate, e.created_at,
        unixepoch('now', 'subsec') - unixepoch(e.created_at, 'subsec') AS age
    FROM (
        SELECT r.*, sum(coalesce(length(x.payload), 0)) OVER (ORDER BY r.hold_until, r.seq ROWS UNBOUNDED PRECEDING)
            - coalesce(length(x.payload), 0) AS bytes_before
        FROM (
            SELECT * FROM outbox_retries
            WHERE hold_until <= CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)
                AND bucket IN (SELECT value FROM json_each(?1)) AND seq NOT IN (SELECT value FROM json_each(?3))
            ORDER BY hold_until, seq
            LIMIT ?2
        ) r LEFT JOIN outbox_events x ON x.seq = r.seq
    ) r LEFT JOIN outbox_events e ON e.seq = r.seq
    WHERE r.bytes_before < ?4
    ORDER BY r.hold_until, r.seq";

// The rows are chosen by the index alone, and fetched after the limit.
const READ: &str = "
    SELECT e.bucket, e.seq, 0 AS attempts, e.aggregate_type, e.aggregate_id,
        e.id, e.event_type, e.payload, e.schema_version, e.source, e.correlation_id, e.causation_id,
        e.traceparent, e.tracestate, e.created_at,
        unixepoch('now', 'subsec') - unixepoch(e.created_at, 'subsec') AS age
    FROM (
        SELECT c.place, c.seq,
            sum(length(x.payload)) OVER (ORDER BY c.place, c.seq ROWS UNBOUNDED PRECEDING) - length(x.payload) AS bytes_before
        FROM (
            SELECT b.key AS place, x.seq
            FROM json_each(?1) b CROSS JOIN outbox_events x
            WHERE x.seq IN (
                SELECT y.seq FROM outbox_events y
                WHERE y.bucket = b.value AND y.seq NOT IN (SELECT value FROM json_each(?3))
                    AND y.aggregate_type || '/' || y.aggregate_id NOT IN (SELECT value FROM json_each(?5))
                    AND NOT EXISTS (
                        SELECT 1 FROM outbox_retries r
                        WHERE r.bucket = y.bucket AND r.aggregate_type = y.aggregate_type AND r.aggregate_id = y.aggregate_id
                    )
                ORDER BY y.seq
                LIMIT ?2
            )
            ORDER BY b.key, x.seq
            LIMIT ?2
        ) c JOIN outbox_events x ON x.seq = c.seq
    ) chosen
    JOIN outbox_events e ON e.seq = chosen.seq
    WHERE chosen.bytes_before < ?4
    ORDER BY chosen.place, chosen.seq";

const STATS: &str = "
    WITH buckets (bucket) AS (SELECT value FROM json_each(?1))
    SELECT
        (SELECT count(*) FROM outbox_events WHERE bucket IN buckets) AS pending,
        (SELECT count(*) FROM outbox_retries WHERE bucket IN buckets) AS retrying,
        (SELECT count(*) FROM outbox_dead WHERE bucket IN buckets) AS dead,
        (SELECT unixepoch('now', 'subsec') - unixepoch(created_at, 'subsec') FROM outbox_events
            WHERE seq = (SELECT min((SELECT e.seq FROM outbox_events e WHERE e.bucket = b.bucket ORDER BY e.seq LIMIT 1))
                FROM buckets b)) AS oldest_age";

pub(super) async fn read(
    connection: &mut SqliteConnection,
    request: ReadRequest<'_>,
) -> Result<ReadBatch, sqlx::Error> {
    let buckets: Vec<i16> = request.buckets.iter().map(|b| b.number()).collect();
    let max_bytes = i64::try_from(request.max_bytes).unwrap_or(i64::MAX);
    let mut batch = ReadBatch::default();
    let due = sqlx::query(DUE)
        .bind(Json(&buckets))
        .bind(request.due_limit)
        .bind(Json(request.known))
        .bind(max_bytes)
        .fetch_all(&mut *connection)
        .await?;
    batch.due_truncated = is_full(&due, request.due_limit, request.max_bytes)?;
    for row in due {
        let Some(key) = key(&row)? else { continue };
        if row.try_get::<Option<&str>, _>("id")?.is_some() {
            batch.due.push(stored(&row, key)?);
        } else {
            batch.orphans.push(key);
        }
    }
    let rows = sqlx::query(READ)
        .bind(Json(&buckets))
        .bind(request.limit)
        .bind(Json(request.known))
        .bind(max_bytes)
        .bind(Json(request.skip))
        .fetch_all(connection)
        .await?;
    batch.truncated = is_full(&rows, request.limit, request.max_bytes)?;
    for row in rows {
        if let Some(key) = key(&row)? {
            batch.events.push(stored(&row, key)?);
        }
    }
    Ok(batch)
}

/// Whether rows were read up to a bound.
fn is_full(rows: &[SqliteRow], limit: u32, max_bytes: usize) -> Result<bool, sqlx::Error> {
    let mut bytes = 0_usize;
    for row in rows {
        let payload: Option<&[u8]> = row.try_get("payload")?;
        bytes = bytes.saturating_add(payload.unwrap_or_default().len());
    }
    Ok(u32::try_from(rows.len()).map_or(true, |rows| rows >= limit) || bytes >= max_bytes)
}

pub(super) fn key(row: &SqliteRow) -> Result<Option<EventKey>, sqlx::Error> {
    let seq = row.try_get("seq")?;
    let bucket = Bucket::new(row.try_get("bucket")?);
    Ok(bucket.map(|bucket| EventKey { bucket, seq }))
}

fn stored(row: &SqliteRow, key: EventKey) -> Result<StoredEvent, sqlx::Error> {
    Ok(StoredEvent {
        key,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        attempts: row.try_get("attempts")?,
        age: row::age(row.try_get("age")?),
        event: row::event(event_row(row)),
    })
}

fn event_row(row: &SqliteRow) -> Result<EventRow, sqlx::Error> {
    Ok(EventRow {
        id: row.try_get::<Hyphenated, _>("id")?.into_uuid(),
        event_type: row.try_get("event_type")?,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        payload: row.try_get("payload")?,
        schema_version: row.try_get("schema_version")?,
        source: row.try_get("source")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
        traceparent: row.try_get("traceparent")?,
        tracestate: row.try_get("tracestate")?,
        created_at: row.try_get("created_at")?,
    })
}

pub(super) async fn stats(
    connection: &mut SqliteConnection,
    buckets: &[Bucket],
) -> Result<OutboxStats, sqlx::Error> {
    let buckets: Vec<i16> = buckets.iter().map(|b| b.number()).collect();
    let row = sqlx::query(STATS)
        .bind(Json(buckets))
        .fetch_one(connection)
        .await?;
    let count = |column: &str| -> Result<u64, sqlx::Error> {
        Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
    };
    Ok(OutboxStats {
        pending: count("pending")?,
        retrying: count("retrying")?,
        dead: count("dead")?,
        oldest_age: row
            .try_get::<Option<f64>, _>("oldest_age")?
            .map(|seconds| row::age(Some(seconds))),
    })
}

/// As a column of times counts: whole milliseconds, and the rest of one as one.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX / 2)
}
