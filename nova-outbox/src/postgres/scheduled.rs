use std::time::Duration;

use sqlx::PgConnection;

use crate::row;
use crate::{Bucket, Moved, RelayId};

// The share lock keeps the lease from changing hands until the transaction ends, so that one relay at a time moves the events of a bucket and
// they keep their order. An event that is being cancelled, or whose aggregate is locked, is left for later.
const MOVE: &str = "
    WITH fence AS MATERIALIZED (
        SELECT bucket FROM outbox_leases
        WHERE owner = $1 AND expires_at > now() AND bucket = ANY ($2::int2[])
        FOR SHARE
    ), found AS MATERIALIZED (
        SELECT s.* FROM fence CROSS JOIN LATERAL (
            SELECT s.bucket, s.due_at, s.place, s.aggregate_type, s.aggregate_id FROM outbox_scheduled s
            WHERE s.bucket = fence.bucket AND s.due_at <= now()
            ORDER BY s.due_at, s.place
            LIMIT $3
            FOR UPDATE SKIP LOCKED
        ) s
        LIMIT $3
    ), due AS MATERIALIZED (
        SELECT bucket, due_at, place FROM found
        WHERE pg_try_advisory_xact_lock(1852798561, hashtext(aggregate_type || '/' || aggregate_id))
    ), gone AS (
        DELETE FROM outbox_scheduled s USING due d
        WHERE s.bucket = d.bucket AND s.due_at = d.due_at AND s.place = d.place
        RETURNING s.*
    )
    INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate)
    SELECT id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate
    FROM gone ORDER BY due_at, place";

const NEXT: &str = "
    SELECT extract(epoch FROM min(first.due_at) - now())::float8
    FROM unnest($1::int2[]) AS b (bucket)
    CROSS JOIN LATERAL (
        SELECT s.due_at FROM outbox_scheduled s WHERE s.bucket = b.bucket ORDER BY s.due_at LIMIT 1
    ) first";

pub(super) async fn move_due(
    connection: &mut PgConnection,
    relay: RelayId,
    buckets: &[Bucket],
    limit: u32,
) -> Result<Moved, sqlx::Error> {
    let buckets: Vec<i16> = buckets.iter().map(|b| b.number()).collect();
    let moved = sqlx::query(MOVE)
        .bind(relay.as_uuid())
        .bind(&buckets)
        .bind(i64::from(limit))
        .persistent(false)
        .execute(&mut *connection)
        .await?;
    let next: Option<f64> = sqlx::query_scalar(NEXT)
        .bind(&buckets)
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(Moved {
        events: moved.rows_affected(),
        next: next.map(wait),
    })
}

/// How long to wait, from seconds that are below zero where it is due.
pub(super) fn wait(seconds: f64) -> Duration {
    row::age(Some(seconds))
}
