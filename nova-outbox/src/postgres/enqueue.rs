use nova_events::NewEvent;
use nova_models::TraceContext;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::Bucket;

const ONE: &str = "
    INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

// The sequence is drawn above the sort, so the numbers follow the order given.
const MANY: &str = "
    INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate)
    SELECT id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate
    FROM unnest($1::uuid[], $2::int2[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int4[],
        $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]) WITH ORDINALITY
        AS e (id, bucket, aggregate_type, aggregate_id, event_type, payload, schema_version, source,
              correlation_id, causation_id, traceparent, tracestate, place)
    ORDER BY place";

pub(super) async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    events: &[NewEvent],
) -> Result<(), sqlx::Error> {
    match events {
        [] => Ok(()),
        [event] => insert_one(tx, event).await,
        events => insert_many(tx, events).await,
    }
}

async fn insert_one(connection: &mut PgConnection, event: &NewEvent) -> Result<(), sqlx::Error> {
    sqlx::query(ONE)
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
        .bind(event.trace().map(TraceContext::traceparent))
        .bind(event.trace().and_then(TraceContext::tracestate))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_many(
    connection: &mut PgConnection,
    events: &[NewEvent],
) -> Result<(), sqlx::Error> {
    fn column<'a, T>(events: &'a [NewEvent], value: impl Fn(&'a NewEvent) -> T) -> Vec<T> {
        events.iter().map(value).collect()
    }
    sqlx::query(MANY)
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
        .bind(column(events, |event| {
            event.trace().map(TraceContext::traceparent)
        }))
        .bind(column(events, |event| {
            event.trace().and_then(TraceContext::tracestate)
        }))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

fn bucket(event: &NewEvent) -> i16 {
    Bucket::of(event.aggregate_type(), event.aggregate_id()).number()
}

fn schema_version(event: &NewEvent) -> i32 {
    i32::try_from(event.schema_version()).unwrap_or(i32::MAX)
}
