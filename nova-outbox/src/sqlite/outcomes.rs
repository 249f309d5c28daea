use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{SqliteConnection, sqlite::Sqlite};

use super::read::{key, milliseconds};
use crate::{EventKey, Failure, Outcomes, RelayId, Release, Settled};

const ACKNOWLEDGE: &str =
    "DELETE FROM outbox_events WHERE seq IN (SELECT value FROM json_each(?1))";

const RELEASE: &str = "
    DELETE FROM outbox_retries WHERE (bucket, seq) IN (
        SELECT l.bucket, k.value ->> 1 FROM json_each(?2) k
        JOIN outbox_leases l ON l.bucket = k.value ->> 0 AND l.epoch = k.value ->> 2
        WHERE l.owner = ?1
    )
    RETURNING bucket, seq";

const HOLD: &str = "
    INSERT INTO outbox_retries (bucket, aggregate_type, aggregate_id, seq, attempts, hold_until, last_error)
    SELECT e.bucket, e.aggregate_type, e.aggregate_id, e.seq, k.value ->> 3,
        CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) + (k.value ->> 4),
        (k.value ->> 5) || ': ' || (k.value ->> 6)
    FROM json_each(?2) k
    JOIN outbox_leases l ON l.bucket = k.value ->> 0 AND l.epoch = k.value ->> 2
    JOIN outbox_events e ON e.seq = k.value ->> 1
    WHERE l.owner = ?1
    ON CONFLICT (bucket, aggregate_type, aggregate_id) DO UPDATE SET
        seq = excluded.seq, attempts = excluded.attempts, hold_until = excluded.hold_until,
        last_error = excluded.last_error, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    RETURNING bucket, seq";

const BURY: &str = "
    INSERT INTO outbox_dead (seq, id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate, created_at,
        attempts, error_code, error_message)
    SELECT e.seq, e.id, e.bucket, e.aggregate_type, e.aggregate_id, e.event_type, e.payload,
        e.schema_version, e.source, e.correlation_id, e.causation_id, e.traceparent, e.tracestate, e.created_at,
        k.value ->> 3, k.value ->> 5, k.value ->> 6
    FROM json_each(?2) k
    JOIN outbox_leases l ON l.bucket = k.value ->> 0 AND l.epoch = k.value ->> 2
    JOIN outbox_events e ON e.seq = k.value ->> 1
    WHERE l.owner = ?1
    RETURNING bucket, seq";

const UNHOLD: &str = "DELETE FROM outbox_retries WHERE seq IN (SELECT value FROM json_each(?1))";

pub(super) async fn settle(
    connection: &mut SqliteConnection,
    relay: RelayId,
    outcomes: &Outcomes,
) -> Result<Settled, sqlx::Error> {
    let mut settled = Settled::default();
    if !outcomes.acknowledged.is_empty() {
        by_seq(ACKNOWLEDGE, &outcomes.acknowledged)
            .execute(&mut *connection)
            .await?;
    }
    if !outcomes.released.is_empty() {
        settled.released = release(connection, relay, &outcomes.released).await?;
    }
    if !outcomes.held.is_empty() {
        settled.held = record(HOLD, connection, relay, &outcomes.held).await?;
    }
    if !outcomes.dead.is_empty() {
        settled.dead = record(BURY, connection, relay, &outcomes.dead).await?;
        for statement in [ACKNOWLEDGE, UNHOLD] {
            by_seq(statement, &settled.dead)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(settled)
}

type Query = sqlx::query::Query<'static, Sqlite, <Sqlite as sqlx::Database>::Arguments>;

fn by_seq(statement: &'static str, keys: &[EventKey]) -> Query {
    let keys: Vec<i64> = keys.iter().map(|key| key.seq).collect();
    sqlx::query(statement).bind(Json(keys))
}

async fn release(
    connection: &mut SqliteConnection,
    relay: RelayId,
    holds: &[Release],
) -> Result<Vec<EventKey>, sqlx::Error> {
    let holds: Vec<(i16, i64, i64)> = holds
        .iter()
        .map(|hold| (hold.key.bucket.number(), hold.key.seq, hold.epoch))
        .collect();
    let rows = sqlx::query(RELEASE)
        .bind(relay.as_uuid().hyphenated())
        .bind(Json(holds))
        .fetch_all(connection)
        .await?;
    keys(&rows)
}

async fn record(
    statement: &'static str,
    connection: &mut SqliteConnection,
    relay: RelayId,
    failures: &[Failure],
) -> Result<Vec<EventKey>, sqlx::Error> {
    let failures: Vec<_> = failures
        .iter()
        .map(|failure| {
            (
                failure.key.bucket.number(),
                failure.key.seq,
                failure.epoch,
                failure.attempts,
                milliseconds(failure.delay),
                &failure.error_code,
                &failure.error_message,
            )
        })
        .collect();
    let rows: Vec<SqliteRow> = sqlx::query(statement)
        .bind(relay.as_uuid().hyphenated())
        .bind(Json(failures))
        .fetch_all(connection)
        .await?;
    keys(&rows)
}

fn keys(rows: &[SqliteRow]) -> Result<Vec<EventKey>, sqlx::Error> {
    let keys: Result<Vec<Option<EventKey>>, _> = rows.iter().map(key).collect();
    Ok(keys?.into_iter().flatten().collect())
}
