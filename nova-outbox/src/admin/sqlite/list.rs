use nova_errors::ServiceError;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::dead_letters::texts;
use crate::admin::listed_event::StateRow;
use crate::{EventDetails, EventFilter, ListedEvent, Shelf};

/// The columns that every shelf has.
macro_rules! event {
    () => {
        "e.bucket, e.id, e.aggregate_type, e.aggregate_id, e.event_type, e.payload, e.schema_version, e.source,
        e.correlation_id, e.causation_id, e.traceparent, e.tracestate, e.created_at"
    };
}

/// The hold that an event of the outbox is the reason of.
macro_rules! hold {
    () => {
        "outbox_retries r ON r.bucket = e.bucket AND r.aggregate_type = e.aggregate_type
            AND r.aggregate_id = e.aggregate_id AND r.seq = e.seq"
    };
}

/// A time of a lease, a hold or a schedule, as the other times are.
macro_rules! text {
    ($milliseconds:literal) => {
        concat!(
            "strftime('%Y-%m-%dT%H:%M:%fZ', ",
            $milliseconds,
            " / 1000.0, 'unixepoch')"
        )
    };
}

macro_rules! pending {
    () => {
        concat!(
            "SELECT e.seq, ",
            event!(),
            ", e.created_at AS since,
                CASE WHEN r.seq IS NULL THEN 'pending' ELSE 'retrying' END AS state,
                r.attempts, NULL AS error_code, r.last_error AS error, ",
            text!("r.hold_until"),
            " AS state_at
            FROM outbox_events e LEFT JOIN ",
            hold!()
        )
    };
}

macro_rules! retrying {
    () => {
        concat!(
            "SELECT e.seq, ",
            event!(),
            ", e.created_at AS since, 'retrying' AS state,
                r.attempts, NULL AS error_code, r.last_error AS error, ",
            text!("r.hold_until"),
            " AS state_at
            FROM outbox_events e JOIN ",
            hold!()
        )
    };
}

macro_rules! dead {
    () => {
        concat!(
            "SELECT e.seq, ",
            event!(),
            ", e.died_at AS since, 'dead' AS state,
                e.attempts, e.error_code, e.error_message AS error, e.died_at AS state_at
            FROM outbox_dead e"
        )
    };
}

macro_rules! scheduled {
    () => {
        concat!(
            "SELECT e.place AS seq, ",
            event!(),
            ", e.created_at AS since, 'scheduled' AS state,
                NULL AS attempts, NULL AS error_code, NULL AS error, ",
            text!("e.due_at"),
            " AS state_at
            FROM outbox_scheduled e"
        )
    };
}

macro_rules! page {
    ($shelf:expr) => {
        concat!(
            "SELECT x.seq, x.bucket, x.id, x.aggregate_type, x.aggregate_id, x.event_type, length(x.payload) AS payload_size,
                x.created_at, x.state, x.attempts, x.error_code, x.error, x.state_at
            FROM (", $shelf, ") x
            WHERE x.bucket IN (SELECT value FROM json_each(?1)) AND x.seq > ?2
                AND (?3 IS NULL OR x.id IN (SELECT value FROM json_each(?3)))
                AND (?4 IS NULL OR x.aggregate_type = ?4)
                AND (?5 IS NULL OR x.aggregate_id = ?5)
                AND (?6 IS NULL OR x.event_type = ?6)
                AND (?7 IS NULL OR unixepoch(x.since, 'subsec') < unixepoch('now', 'subsec') - ?7)
            ORDER BY x.seq
            LIMIT ?8"
        )
    };
}

const PENDING: &str = page!(pending!());
const RETRYING: &str = page!(retrying!());
const DEAD: &str = page!(dead!());
const SCHEDULED: &str = page!(scheduled!());

const FIND: &str = concat!(
    "SELECT x.*, length(x.payload) AS payload_size FROM (",
    pending!(),
    " UNION ALL ",
    dead!(),
    " UNION ALL ",
    scheduled!(),
    ") x WHERE x.id = ?1 ORDER BY x.state, x.seq"
);

pub(super) async fn list(
    connection: &mut SqliteConnection,
    shelf: Shelf,
    filter: &EventFilter,
    after: i64,
    limit: u32,
) -> Result<Vec<ListedEvent>, ServiceError> {
    let statement = match shelf {
        Shelf::Pending => PENDING,
        Shelf::Retrying => RETRYING,
        Shelf::Dead => DEAD,
        Shelf::Scheduled => SCHEDULED,
    };
    let rows = sqlx::query(statement)
        .bind(Json(filter.buckets()))
        .bind(after)
        .bind(filter.chosen_ids().map(texts))
        .bind(&filter.aggregate_type)
        .bind(&filter.aggregate_id)
        .bind(&filter.event_type)
        .bind(filter.min_age())
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(listed).collect()
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: Uuid,
) -> Result<Vec<EventDetails>, ServiceError> {
    let rows = sqlx::query(FIND)
        .bind(id.hyphenated())
        .fetch_all(connection)
        .await?;
    rows.iter().map(details).collect()
}

fn details(row: &SqliteRow) -> Result<EventDetails, ServiceError> {
    Ok(EventDetails {
        event: listed(row)?,
        payload: row.try_get("payload")?,
        schema_version: row.try_get("schema_version")?,
        source: row.try_get("source")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
        traceparent: row.try_get("traceparent")?,
        tracestate: row.try_get("tracestate")?,
    })
}

fn listed(row: &SqliteRow) -> Result<ListedEvent, ServiceError> {
    let state = StateRow {
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        error_code: row.try_get("error_code")?,
        error: row.try_get("error")?,
        state_at: row.try_get("state_at")?,
    };
    Ok(ListedEvent {
        seq: row.try_get("seq")?,
        id: row.try_get::<Hyphenated, _>("id")?.into_uuid(),
        bucket: row.try_get("bucket")?,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        event_type: row.try_get("event_type")?,
        payload_size: u64::try_from(row.try_get::<i64, _>("payload_size")?).unwrap_or_default(),
        created_at: row.try_get("created_at")?,
        state: state.into_state()?,
    })
}
