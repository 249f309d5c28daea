use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::{Bucket, EventKey, Failure, Outcomes, RelayId, Release, Settled};

const ACKNOWLEDGE: &str = "
    WITH gone AS (
        DELETE FROM outbox_events e USING unnest($1::int2[], $2::int8[]) AS k (bucket, seq)
        WHERE e.bucket = k.bucket AND e.seq = k.seq
    )
    SELECT pg_current_xact_id()::text::int8";

// The share lock keeps the lease from changing hands until the transaction ends.
const RELEASE: &str = "
    WITH fence AS (
        SELECT bucket, epoch FROM outbox_leases WHERE owner = $1 AND bucket = ANY ($2) FOR SHARE
    )
    DELETE FROM outbox_retries r
    USING unnest($2::int2[], $3::int8[], $4::int8[]) AS k (bucket, seq, epoch) JOIN fence USING (bucket, epoch)
    WHERE r.bucket = k.bucket AND r.seq = k.seq
    RETURNING r.bucket, r.seq";

const HOLD: &str = "
    WITH fence AS (
        SELECT bucket, epoch FROM outbox_leases WHERE owner = $1 AND bucket = ANY ($2) FOR SHARE
    )
    INSERT INTO outbox_retries (bucket, aggregate_type, aggregate_id, seq, attempts, hold_until, last_error)
    SELECT e.bucket, e.aggregate_type, e.aggregate_id, e.seq, k.attempts,
        now() + make_interval(secs => k.delay), k.code || ': ' || k.message
    FROM unnest($2::int2[], $3::int8[], $4::int8[], $5::int4[], $6::float8[], $7::text[], $8::text[])
        AS k (bucket, seq, epoch, attempts, delay, code, message)
    JOIN fence USING (bucket, epoch)
    JOIN outbox_events e ON e.bucket = k.bucket AND e.seq = k.seq
    ON CONFLICT (bucket, aggregate_type, aggregate_id) DO UPDATE SET
        seq = excluded.seq, attempts = excluded.attempts, hold_until = excluded.hold_until,
        last_error = excluded.last_error, updated_at = now()
    RETURNING bucket, seq";

const BURY: &str = "
    WITH fence AS (
        SELECT bucket, epoch FROM outbox_leases WHERE owner = $1 AND bucket = ANY ($2) FOR SHARE
    ), dead AS (
        DELETE FROM outbox_events e
        USING unnest($2::int2[], $3::int8[], $4::int8[], $5::int4[], $6::text[], $7::text[])
            AS k (bucket, seq, epoch, attempts, code, message) JOIN fence USING (bucket, epoch)
        WHERE e.bucket = k.bucket AND e.seq = k.seq
        RETURNING e.*, k.attempts, k.code, k.message
    ), released AS (
        DELETE FROM outbox_retries r USING dead d WHERE r.bucket = d.bucket AND r.seq = d.seq
    )
    INSERT INTO outbox_dead (seq, id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate, created_at,
        attempts, error_code, error_message)
    SELECT seq, id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate, created_at,
        attempts, code, message
    FROM dead
    RETURNING bucket, seq";

/// Returns what it did, and the transaction's id where something was deleted.
pub(super) async fn settle(
    connection: &mut PgConnection,
    relay: RelayId,
    outcomes: &Outcomes,
) -> Result<(Settled, Option<i64>), sqlx::Error> {
    let mut settled = Settled::default();
    let mut xid = None;
    if !outcomes.acknowledged.is_empty() {
        xid = Some(acknowledge(connection, &outcomes.acknowledged).await?);
    }
    if !outcomes.released.is_empty() {
        settled.released = release(connection, relay, &outcomes.released).await?;
    }
    if !outcomes.held.is_empty() {
        settled.held = hold(connection, relay, &outcomes.held).await?;
    }
    if !outcomes.dead.is_empty() {
        settled.dead = bury(connection, relay, &outcomes.dead).await?;
    }
    Ok((settled, xid))
}

async fn acknowledge(connection: &mut PgConnection, keys: &[EventKey]) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(ACKNOWLEDGE)
        .bind(column(keys, |k| k.bucket.number()))
        .bind(column(keys, |k| k.seq))
        .persistent(false)
        .fetch_one(connection)
        .await
}

async fn release(
    connection: &mut PgConnection,
    relay: RelayId,
    holds: &[Release],
) -> Result<Vec<EventKey>, sqlx::Error> {
    let rows = sqlx::query(RELEASE)
        .bind(relay.as_uuid())
        .bind(column(holds, |h| h.key.bucket.number()))
        .bind(column(holds, |h| h.key.seq))
        .bind(column(holds, |h| h.epoch))
        .persistent(false)
        .fetch_all(connection)
        .await?;
    keys(&rows)
}

async fn hold(
    connection: &mut PgConnection,
    relay: RelayId,
    failures: &[Failure],
) -> Result<Vec<EventKey>, sqlx::Error> {
    let rows = sqlx::query(HOLD)
        .bind(relay.as_uuid())
        .bind(column(failures, |f| f.key.bucket.number()))
        .bind(column(failures, |f| f.key.seq))
        .bind(column(failures, |f| f.epoch))
        .bind(column(failures, attempts))
        .bind(column(failures, |f| f.delay.as_secs_f64()))
        .bind(column(failures, |f| f.error_code.as_str()))
        .bind(column(failures, |f| f.error_message.as_str()))
        .persistent(false)
        .fetch_all(connection)
        .await?;
    keys(&rows)
}

async fn bury(
    connection: &mut PgConnection,
    relay: RelayId,
    failures: &[Failure],
) -> Result<Vec<EventKey>, sqlx::Error> {
    let rows = sqlx::query(BURY)
        .bind(relay.as_uuid())
        .bind(column(failures, |f| f.key.bucket.number()))
        .bind(column(failures, |f| f.key.seq))
        .bind(column(failures, |f| f.epoch))
        .bind(column(failures, attempts))
        .bind(column(failures, |f| f.error_code.as_str()))
        .bind(column(failures, |f| f.error_message.as_str()))
        .persistent(false)
        .fetch_all(connection)
        .await?;
    keys(&rows)
}

fn column<'a, T, C>(rows: &'a [T], value: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(value).collect()
}

fn attempts(failure: &Failure) -> i32 {
    i32::try_from(failure.attempts).unwrap_or(i32::MAX)
}

fn keys(rows: &[PgRow]) -> Result<Vec<EventKey>, sqlx::Error> {
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(bucket) = Bucket::new(row.try_get("bucket")?) {
            let seq = row.try_get("seq")?;
            keys.push(EventKey { bucket, seq });
        }
    }
    Ok(keys)
}
