use nova_events::NewEvent;
use nova_models::TraceContext;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::Bucket;

const INSERT: &str = "
    INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate) ";

/// SQLite takes 32 766 parameters a statement, and an event has 12.
const EVENTS_PER_STATEMENT: usize = 2_000;

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    events: &[NewEvent],
) -> Result<(), sqlx::Error> {
    for events in events.chunks(EVENTS_PER_STATEMENT) {
        let mut statement = QueryBuilder::<Sqlite>::new(INSERT);
        statement.push_values(events, |mut row, event| {
            let bucket = Bucket::of(event.aggregate_type(), event.aggregate_id());
            let trace = event.trace();
            row.push_bind(event.event_id().hyphenated())
                .push_bind(bucket.number())
                .push_bind(event.aggregate_type())
                .push_bind(event.aggregate_id())
                .push_bind(event.event_type())
                .push_bind(event.payload().as_ref())
                .push_bind(event.schema_version())
                .push_bind(event.source())
                .push_bind(event.correlation_id())
                .push_bind(event.causation_id())
                .push_bind(trace.map(TraceContext::traceparent))
                .push_bind(trace.and_then(TraceContext::tracestate));
        });
        // The statement cache is for the statements that come again: those of one event.
        statement
            .build()
            .persistent(events.len() == 1)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
