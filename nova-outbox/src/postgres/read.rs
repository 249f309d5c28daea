use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::row::{self, EventRow};
use crate::{Bucket, EventKey, OutboxStats, ReadBatch, ReadRequest, StoredEvent};

// A nested loop over a lateral subquery emits each bucket's rows in order and stops at the limit, so
// that a deep backlog is not sorted for every batch.
const READ: &str = "
    (SELECT true AS due, r.bucket, r.seq, r.attempts, r.aggregate_type, r.aggregate_id,
        e.id, e.event_type, e.payload, e.schema_version, e.source, e.correlation_id, e.causation_id,
        e.traceparent, e.tracestate, e.created_at, extract(epoch FROM now() - e.created_at)::float8 AS age
    FROM outbox_retries r LEFT JOIN outbox_events e ON e.bucket = r.bucket AND e.seq = r.seq
    WHERE r.hold_until <= now() AND r.bucket = ANY ($1) AND r.seq <> ALL ($2::int8[])
    ORDER BY r.hold_until
    LIMIT $3)
    UNION ALL
    (SELECT false, e.bucket, e.seq, 0, e.aggregate_type, e.aggregate_id,
        e.id, e.event_type, e.payload, e.schema_version, e.source, e.correlation_id, e.causation_id,
        e.traceparent, e.tracestate, e.created_at, extract(epoch FROM now() - e.created_at)::float8
    FROM unnest($1::int2[]) AS b (bucket)
    CROSS JOIN LATERAL (
        SELECT * FROM outbox_events e
        WHERE e.bucket = b.bucket AND e.seq <> ALL ($2::int8[]) AND NOT EXISTS (
            SELECT FROM outbox_retries r
            WHERE r.bucket = e.bucket AND r.aggregate_type = e.aggregate_type AND r.aggregate_id = e.aggregate_id
        )
        ORDER BY e.seq
        LIMIT $3
    ) e
    LIMIT $3)";

const STATS: &str = "
    SELECT
        (SELECT count(*) FROM outbox_events WHERE bucket = ANY ($1)) AS pending,
        (SELECT count(*) FROM outbox_retries WHERE bucket = ANY ($1)) AS retrying,
        (SELECT count(*) FROM outbox_dead WHERE bucket = ANY ($1)) AS dead,
        (SELECT extract(epoch FROM now() - min(first.created_at))::float8
            FROM unnest($1::int2[]) AS b (bucket)
            CROSS JOIN LATERAL (
                SELECT e.created_at FROM outbox_events e WHERE e.bucket = b.bucket ORDER BY e.seq LIMIT 1
            ) first) AS oldest_age";

pub(super) async fn read(
    connection: &mut PgConnection,
    request: ReadRequest<'_>,
) -> Result<ReadBatch, sqlx::Error> {
    let buckets: Vec<i16> = request.buckets.iter().map(|b| b.number()).collect();
    let rows = sqlx::query(READ)
        .bind(buckets)
        .bind(request.known)
        .bind(i64::from(request.limit))
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let mut batch = ReadBatch::default();
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
        let found = row.try_get::<Option<uuid::Uuid>, _>("id")?.is_some();
        match (due, found) {
            (_, false) => batch.orphans.push(key),
            (true, true) => batch.due.push(stored(&row, key)?),
            (false, true) => batch.events.push(stored(&row, key)?),
        }
    }
    Ok(batch)
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
) -> Result<OutboxStats, sqlx::Error> {
    let buckets: Vec<i16> = buckets.iter().map(|b| b.number()).collect();
    let row = sqlx::query(STATS)
        .bind(buckets)
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
