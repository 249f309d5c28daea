use nova_errors::ServiceError;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

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

macro_rules! pending {
    () => {
        concat!(
            "SELECT e.seq, ", event!(), ", e.created_at AS since,
                CASE WHEN r.seq IS NULL THEN 'pending' ELSE 'retrying' END AS state,
                r.attempts, NULL::text AS error_code, r.last_error AS error, r.hold_until AS state_at
            FROM outbox_events e LEFT JOIN ", hold!()
        )
    };
}

macro_rules! retrying {
    () => {
        concat!(
            "SELECT e.seq, ", event!(), ", e.created_at AS since, 'retrying' AS state,
                r.attempts, NULL::text AS error_code, r.last_error AS error, r.hold_until AS state_at
            FROM outbox_events e JOIN ", hold!()
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
            "SELECT e.place AS seq, ", event!(), ", e.created_at AS since, 'scheduled' AS state,
                NULL::int4 AS attempts, NULL::text AS error_code, NULL::text AS error, e.due_at AS state_at
            FROM outbox_scheduled e"
        )
    };
}

// A bucket at a time, so that each is read by its index up to the limit and no further.
macro_rules! page {
    ($shelf:expr) => {
        concat!(
            "SELECT found.* FROM unnest($1::int2[]) AS b (bucket)
            CROSS JOIN LATERAL (
                SELECT x.seq, x.bucket, x.id, x.aggregate_type, x.aggregate_id, x.event_type, octet_length(x.payload)::int8 AS payload_size,
                    x.created_at, x.state, x.attempts, x.error_code, x.error, x.state_at
                FROM (", $shelf, ") x
                WHERE x.bucket = b.bucket AND x.seq > $2
                    AND ($3::uuid[] IS NULL OR x.id = ANY ($3))
                    AND ($4::text IS NULL OR x.aggregate_type = $4)
                    AND ($5::text IS NULL OR x.aggregate_id = $5)
                    AND ($6::text IS NULL OR x.event_type = $6)
                    AND ($7::float8 IS NULL OR x.since < now() - make_interval(secs => $7))
                ORDER BY x.seq
                LIMIT $8
            ) found
            ORDER BY found.seq
            LIMIT $8"
        )
    };
}

const PENDING: &str = page!(pending!());
const RETRYING: &str = page!(retrying!());
const DEAD: &str = page!(dead!());
const SCHEDULED: &str = page!(scheduled!());

const FIND: &str = concat!(
    "SELECT x.*, octet_length(x.payload)::int8 AS payload_size FROM (",
    pending!(),
    " UNION ALL ",
    dead!(),
    " UNION ALL ",
    scheduled!(),
    ") x WHERE x.id = $1 ORDER BY x.state, x.seq"
);

pub(super) async fn list(
    connection: &mut PgConnection,
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
        .bind(filter.buckets())
        .bind(after)
        .bind(filter.chosen_ids())
        .bind(&filter.aggregate_type)
        .bind(&filter.aggregate_id)
        .bind(&filter.event_type)
        .bind(filter.min_age())
        .bind(i64::from(limit))
        .persistent(false)
        .fetch_all(connection)
        .await?;
    rows.iter().map(listed).collect()
}

pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Vec<EventDetails>, ServiceError> {
    let rows = sqlx::query(FIND)
        .bind(id)
        .persistent(false)
        .fetch_all(connection)
        .await?;
    rows.iter().map(details).collect()
}

fn details(row: &PgRow) -> Result<EventDetails, ServiceError> {
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

fn listed(row: &PgRow) -> Result<ListedEvent, ServiceError> {
    let state = StateRow {
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        error_code: row.try_get("error_code")?,
        error: row.try_get("error")?,
        state_at: row.try_get("state_at")?,
    };
    Ok(ListedEvent {
        seq: row.try_get("seq")?,
        id: row.try_get("id")?,
        bucket: row.try_get("bucket")?,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        event_type: row.try_get("event_type")?,
        payload_size: u64::try_from(row.try_get::<i64, _>("payload_size")?).unwrap_or_default(),
        created_at: row.try_get("created_at")?,
        state: state.into_state()?,
    })
}
