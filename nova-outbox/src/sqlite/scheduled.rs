use std::time::Duration;

use chrono::{DateTime, Utc};
use nova_events::NewEvent;
use nova_models::TraceContext;
use sqlx::SqliteConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Bucket, Moved, RelayId};

const SCHEDULE: &str = "
    INSERT INTO outbox_scheduled (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate, due_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

const CANCEL: &str = "DELETE FROM outbox_scheduled WHERE id = ?1";

// Of the buckets that the relay still owns; the time is read once, so that the choice and the lease agree.
const FIND: &str = "
    WITH clock (now) AS (SELECT CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER))
    SELECT s.place FROM clock, json_each(?2) b
    JOIN outbox_leases l ON l.bucket = b.value
    JOIN outbox_scheduled s ON s.bucket = l.bucket
    WHERE l.owner = ?1 AND l.expires_at > clock.now AND s.due_at <= clock.now
    ORDER BY s.due_at, s.place
    LIMIT ?3";

const INSERT: &str = "
    INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate)
    SELECT id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate
    FROM outbox_scheduled WHERE place IN (SELECT value FROM json_each(?1))
    ORDER BY due_at, place";

const DELETE: &str =
    "DELETE FROM outbox_scheduled WHERE place IN (SELECT value FROM json_each(?1))";

const NEXT: &str = "
    SELECT min((SELECT min(s.due_at) FROM outbox_scheduled s WHERE s.bucket = b.value))
        - CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)
    FROM json_each(?1) b";

pub(super) async fn schedule(
    connection: &mut SqliteConnection,
    event: &NewEvent,
    due_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let trace = event.trace();
    sqlx::query(SCHEDULE)
        .bind(event.event_id().hyphenated())
        .bind(Bucket::of(event.aggregate_type(), event.aggregate_id()).number())
        .bind(event.aggregate_type())
        .bind(event.aggregate_id())
        .bind(event.event_type())
        .bind(event.payload().as_ref())
        .bind(event.schema_version())
        .bind(event.source())
        .bind(event.correlation_id())
        .bind(event.causation_id())
        .bind(trace.map(TraceContext::traceparent))
        .bind(trace.and_then(TraceContext::tracestate))
        .bind(due_at.timestamp_millis())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn cancel(
    connection: &mut SqliteConnection,
    id: Uuid,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(CANCEL)
        .bind(id.hyphenated())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn move_due(
    connection: &mut SqliteConnection,
    relay: RelayId,
    buckets: &[Bucket],
    limit: u32,
) -> Result<Moved, sqlx::Error> {
    let numbers: Vec<i16> = buckets.iter().map(|b| b.number()).collect();
    let found: Vec<i64> = sqlx::query_scalar(FIND)
        .bind(relay.as_uuid().hyphenated())
        .bind(Json(&numbers))
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    let mut events = 0;
    if !found.is_empty() {
        for statement in [INSERT, DELETE] {
            events = sqlx::query(statement)
                .bind(Json(&found))
                .execute(&mut *connection)
                .await?
                .rows_affected();
        }
    }
    Ok(Moved {
        events,
        next: next_due(connection, buckets).await?,
    })
}

/// How long it is until the first scheduled event of these buckets is due.
pub(super) async fn next_due(
    connection: &mut SqliteConnection,
    buckets: &[Bucket],
) -> Result<Option<Duration>, sqlx::Error> {
    let numbers: Vec<i16> = buckets.iter().map(|b| b.number()).collect();
    let wait: Option<i64> = sqlx::query_scalar(NEXT)
        .bind(Json(numbers))
        .fetch_one(connection)
        .await?;
    Ok(wait.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default())))
}
