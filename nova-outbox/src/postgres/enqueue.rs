use chrono::{DateTime, Utc};
use nova_events::NewEvent;
use nova_models::TraceContext;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::Bucket;

/// The transaction has its id before it draws a number: whoever knows that all transactions below an id have ended then knows
/// that no number which was drawn before that id is still to appear.
macro_rules! begin {
    () => {
        "WITH begun AS MATERIALIZED (SELECT pg_current_xact_id() AS xid) "
    };
}

/// And before that it has the locks of its aggregates, so that an aggregate's numbers follow its lock. Locks are taken in one order,
/// so that two statements don't wait for each other.
macro_rules! begin_locked {
    () => {
        "WITH locked AS MATERIALIZED (
            SELECT pg_advisory_xact_lock(1852798561, key)
            FROM (SELECT DISTINCT hashtext(name) AS key FROM unnest($13::text[]) AS n (name) ORDER BY key) AS k
        ), begun AS MATERIALIZED (
            SELECT pg_current_xact_id() AS xid FROM (SELECT count(*) FROM locked) AS l
        ) "
    };
}

macro_rules! insert {
    () => {
        "INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
            schema_version, source, correlation_id, causation_id, traceparent, tracestate) "
    };
}

macro_rules! one {
    () => {
        "SELECT $1::uuid, $2::int2, $3::text, $4::text, $5::text, $6::bytea, $7::int4,
            $8::text, $9::text, $10::text, $11::text, $12::text
        FROM begun WHERE xid IS NOT NULL"
    };
}

// The sequence is drawn above the sort, so the numbers follow the order given.
macro_rules! many {
    () => {
        "SELECT id, bucket, aggregate_type, aggregate_id, event_type, payload,
            schema_version, source, correlation_id, causation_id, traceparent, tracestate
        FROM begun CROSS JOIN unnest($1::uuid[], $2::int2[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int4[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]) WITH ORDINALITY
            AS e (id, bucket, aggregate_type, aggregate_id, event_type, payload, schema_version, source,
                  correlation_id, causation_id, traceparent, tracestate, place)
        WHERE xid IS NOT NULL
        ORDER BY place"
    };
}

const ONE: &str = concat!(begin!(), insert!(), one!());
const ONE_LOCKED: &str = concat!(begin_locked!(), insert!(), one!());
const MANY: &str = concat!(begin!(), insert!(), many!());
const MANY_LOCKED: &str = concat!(begin_locked!(), insert!(), many!());

const SCHEDULE: &str = "
    INSERT INTO outbox_scheduled (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const CANCEL: &str = "DELETE FROM outbox_scheduled WHERE id = $1";

type Query = sqlx::query::Query<'static, Postgres, <Postgres as sqlx::Database>::Arguments>;

pub(super) async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    events: &[NewEvent],
    lock: bool,
) -> Result<(), sqlx::Error> {
    let query = match (events, lock) {
        ([], _) => return Ok(()),
        ([event], false) => one(ONE, event),
        ([event], true) => one(ONE_LOCKED, event).bind([lock_name(event)]),
        (events, false) => many(MANY, events),
        (events, true) => many(MANY_LOCKED, events).bind(column(events, lock_name)),
    };
    query.persistent(false).execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn schedule(
    connection: &mut PgConnection,
    event: &NewEvent,
    due_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    one(SCHEDULE, event)
        .bind(due_at)
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn cancel(connection: &mut PgConnection, id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(CANCEL)
        .bind(id)
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

fn one(statement: &'static str, event: &NewEvent) -> Query {
    sqlx::query(statement)
        .bind(event.event_id())
        .bind(bucket(event))
        .bind(event.aggregate_type())
        .bind(event.aggregate_id())
        .bind(event.event_type())
        .bind(event.payload().as_ref())
        .bind(schema_version(event))
        .bind(event.source())
        .bind(event.correlation_id())
        .bind(event.causation_id())
        .bind(traceparent(event))
        .bind(tracestate(event))
}

fn many(statement: &'static str, events: &[NewEvent]) -> Query {
    sqlx::query(statement)
        .bind(column(events, NewEvent::event_id))
        .bind(column(events, bucket))
        .bind(column(events, NewEvent::aggregate_type))
        .bind(column(events, NewEvent::aggregate_id))
        .bind(column(events, NewEvent::event_type))
        .bind(column(events, |event| event.payload().as_ref()))
        .bind(column(events, schema_version))
        .bind(column(events, NewEvent::source))
        .bind(column(events, NewEvent::correlation_id))
        .bind(column(events, NewEvent::causation_id))
        .bind(column(events, traceparent))
        .bind(column(events, tracestate))
}

fn column<'a, T>(events: &'a [NewEvent], value: impl Fn(&'a NewEvent) -> T) -> Vec<T> {
    events.iter().map(value).collect()
}

fn bucket(event: &NewEvent) -> i16 {
    Bucket::of(event.aggregate_type(), event.aggregate_id()).number()
}

fn schema_version(event: &NewEvent) -> i32 {
    i32::try_from(event.schema_version()).unwrap_or(i32::MAX)
}

fn traceparent(event: &NewEvent) -> Option<&str> {
    event.trace().map(TraceContext::traceparent)
}

fn tracestate(event: &NewEvent) -> Option<&str> {
    event.trace().and_then(TraceContext::tracestate)
}

/// What the lock of an aggregate is made from; the statement that moves scheduled events makes the same. A type has no slash.
fn lock_name(event: &NewEvent) -> String {
    format!("{}/{}", event.aggregate_type(), event.aggregate_id())
}
