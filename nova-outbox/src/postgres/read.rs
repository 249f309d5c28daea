use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::floors::Horizon;
use crate::row::{self, EventRow};
use crate::{Bucket, EventKey, OutboxStats, ReadBatch, ReadRequest, StoredEvent};

// A nested loop over a lateral subquery emits each bucket's rows in order and stops at the limit, so
// that a deep backlog is not sorted for every batch. The running sum follows that order; a payload that is stored out of line is not
// fetched for it.
const READ: &str = "
    (SELECT true AS due, r.bucket, r.seq, r.attempts, r.aggregate_type, r.aggregate_id,
        r.id, r.event_type, r.payload, r.schema_version, r.source, r.correlation_id, r.causation_id,
        r.traceparent, r.tracestate, r.created_at, extract(epoch FROM now() - r.created_at)::float8 AS age
    FROM (
        SELECT r.bucket, r.seq, r.attempts, r.aggregate_type, r.aggregate_id,
            e.id, e.event_type, e.payload, e.schema_version, e.source, e.correlation_id, e.causation_id,
            e.traceparent, e.tracestate, e.created_at,
            sum(coalesce(octet_length(e.payload), 0)) OVER (ROWS UNBOUNDED PRECEDING)
                - coalesce(octet_length(e.payload), 0) AS bytes_before
        FROM (
            SELECT * FROM outbox_retries r
            WHERE r.hold_until <= now() AND r.bucket = ANY ($1) AND r.seq <> ALL ($2::int8[])
            ORDER BY r.hold_until
            LIMIT $4
        ) r LEFT JOIN outbox_events e ON e.bucket = r.bucket AND e.seq = r.seq
    ) r
    WHERE r.bytes_before < $5)
    UNION ALL
    (SELECT false, e.bucket, e.seq, 0, e.aggregate_type, e.aggregate_id,
        e.id, e.event_type, e.payload, e.schema_version, e.source, e.correlation_id, e.causation_id,
        e.traceparent, e.tracestate, e.created_at, extract(epoch FROM now() - e.created_at)::float8
    FROM (
        SELECT e.*, sum(octet_length(e.payload)) OVER (ROWS UNBOUNDED PRECEDING) - octet_length(e.payload) AS bytes_before
        FROM (
            SELECT e.* FROM unnest($1::int2[]) AS b (bucket)
            CROSS JOIN LATERAL (
                SELECT * FROM outbox_events e
                WHERE e.bucket = b.bucket AND e.seq >= ($6::int8[])[b.bucket + 1] AND e.seq <> ALL ($2::int8[])
                    AND e.aggregate_type || '/' || e.aggregate_id <> ALL ($7::text[])
                    AND NOT EXISTS (
                        SELECT FROM outbox_retries r
                        WHERE r.bucket = e.bucket AND r.aggregate_type = e.aggregate_type AND r.aggregate_id = e.aggregate_id
                    )
                ORDER BY e.seq
                LIMIT $3
            ) e
            LIMIT $3
        ) e
    ) e
    WHERE e.bytes_before < $5)";

// Where no row is left up to the horizon, the floor is above it. Nothing is returned while a transaction below it runs: in a statement of its
// own snapshot, so that the rows are those which the condition is about.
const ADVANCE: &str = "
    SELECT b.bucket, coalesce((
        SELECT e.seq FROM outbox_events e
        WHERE e.bucket = b.bucket AND e.seq >= ($2::int8[])[b.bucket + 1] AND e.seq <= $3
        ORDER BY e.seq
        LIMIT 1
    ), $3 + 1) AS floor
    FROM unnest($1::int2[]) AS b (bucket)
    WHERE pg_snapshot_xmin(pg_current_snapshot())::text::int8 >= $4";

const STATS: &str = "
    SELECT
        (SELECT count(*) FROM unnest($1::int2[]) AS b (bucket)
            JOIN outbox_events e ON e.bucket = b.bucket AND e.seq >= ($2::int8[])[b.bucket + 1]) AS pending,
        (SELECT count(*) FROM outbox_retries WHERE bucket = ANY ($1)) AS retrying,
        (SELECT count(*) FROM outbox_dead WHERE bucket = ANY ($1)) AS dead,
        (SELECT extract(epoch FROM now() - min(first.created_at))::float8
            FROM unnest($1::int2[]) AS b (bucket)
            CROSS JOIN LATERAL (
                SELECT e.created_at FROM outbox_events e
                WHERE e.bucket = b.bucket AND e.seq >= ($2::int8[])[b.bucket + 1]
                ORDER BY e.seq
                LIMIT 1
            ) first) AS oldest_age";

/// Finds out how high the floors of these buckets can be: nothing where the transactions below the horizon have not all ended.
pub(super) async fn advance(
    connection: &mut PgConnection,
    buckets: &[Bucket],
    floors: &[i64],
    horizon: Horizon,
) -> Result<Vec<(Bucket, i64)>, sqlx::Error> {
    let buckets: Vec<i16> = buckets.iter().map(|b| b.number()).collect();
    let rows: Vec<(i16, i64)> = sqlx::query_as(ADVANCE)
        .bind(buckets)
        .bind(floors)
        .bind(horizon.seq)
        .bind(horizon.xid)
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let floors = rows.into_iter();
    Ok(floors
        .filter_map(|(number, floor)| Some((Bucket::new(number)?, floor)))
        .collect())
}

pub(super) async fn read(
    connection: &mut PgConnection,
    request: ReadRequest<'_>,
    floors: &[i64],
) -> Result<ReadBatch, sqlx::Error> {
    let buckets: Vec<i16> = request.buckets.iter().map(|b| b.number()).collect();
    let rows = sqlx::query(READ)
        .bind(buckets)
        .bind(request.known)
        .bind(i64::from(request.limit))
        .bind(i64::from(request.due_limit))
        .bind(i64::try_from(request.max_bytes).unwrap_or(i64::MAX))
        .bind(floors)
        .bind(request.skip)
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let mut batch = ReadBatch::default();
    let (mut bytes, mut due_bytes, mut holds) = (0, 0, 0);
    for row in rows {
        let bucket: i16 = row.try_get("bucket")?;
        let Some(bucket) = Bucket::new(bucket) else {
            continue;
        };
        let key = EventKey {
            bucket,
            seq: row.try_get("seq")?,
        };
        let due: bool = row.try_get("due")?;
        let payload: Option<&[u8]> = row.try_get("payload")?;
        let found = payload.is_some();
        let length = payload.unwrap_or_default().len();
        if due {
            holds += 1;
            due_bytes += length;
        } else {
            bytes += length;
        }
        match (due, found) {
            (_, false) => batch.orphans.push(key),
            (true, true) => batch.due.push(stored(&row, key)?),
            (false, true) => batch.events.push(stored(&row, key)?),
        }
    }
    batch.truncated = rows_fill(batch.events.len(), request.limit) || bytes >= request.max_bytes;
    batch.due_truncated = rows_fill(holds, request.due_limit) || due_bytes >= request.max_bytes;
    Ok(batch)
}

fn rows_fill(rows: usize, limit: u32) -> bool {
    u32::try_from(rows).map_or(true, |rows| rows >= limit)
}

fn stored(row: &PgRow, key: EventKey) -> Result<StoredEvent, sqlx::Error> {
    Ok(StoredEvent {
        key,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        attempts: u32::try_from(row.try_get::<i32, _>("attempts")?).unwrap_or_default(),
        age: row::age(row.try_get("age")?),
        event: row::event(event_row(row)),
    })
}

fn event_row(row: &PgRow) -> Result<EventRow, sqlx::Error> {
    Ok(EventRow {
        id: row.try_get("id")?,
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
    connection: &mut PgConnection,
    buckets: &[Bucket],
    floors: Vec<i64>,
) -> Result<OutboxStats, sqlx::Error> {
    let buckets: Vec<i16> = buckets.iter().map(|b| b.number()).collect();
    let row = sqlx::query(STATS)
        .bind(buckets)
        .bind(floors)
        .persistent(false)
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
