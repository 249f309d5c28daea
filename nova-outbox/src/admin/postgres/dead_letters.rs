use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::EventFilter;
use crate::admin::batches::{Batch, Span};

macro_rules! matches {
    () => {
        "($2::uuid[] IS NULL OR x.id = ANY ($2))
            AND ($3::text IS NULL OR x.aggregate_type = $3)
            AND ($4::text IS NULL OR x.aggregate_id = $4)
            AND ($5::text IS NULL OR x.event_type = $5)
            AND ($6::float8 IS NULL OR x.died_at < now() - make_interval(secs => $6))"
    };
}

const SPAN: &str = concat!(
    "SELECT count(*) AS total, coalesce(max(x.seq), 0) AS up_to FROM outbox_dead x
    WHERE x.bucket = ANY ($1) AND ",
    matches!()
);

macro_rules! chosen {
    () => {
        concat!(
            "chosen AS MATERIALIZED (
                SELECT l.bucket, l.seq FROM unnest($1::int2[]) AS b (bucket)
                CROSS JOIN LATERAL (
                    SELECT x.bucket, x.seq FROM outbox_dead x
                    WHERE x.bucket = b.bucket AND x.seq > $7 AND x.seq <= $8 AND ",
            matches!(),
            "
                    ORDER BY x.seq
                    LIMIT $9
                ) l
                ORDER BY l.seq
                LIMIT $9
            ), gone AS (
                DELETE FROM outbox_dead d USING chosen c WHERE d.bucket = c.bucket AND d.seq = c.seq
                RETURNING d.*
            )"
        )
    };
}

macro_rules! batch {
    ($done:literal) => {
        concat!(
            " SELECT (SELECT count(*) FROM chosen) AS found, (SELECT max(seq) FROM chosen) AS last,
                (SELECT count(*) FROM ",
            $done,
            ") AS done"
        )
    };
}

// As at an enqueue: the transaction has its id before it draws a number, and the numbers are drawn above the sort.
const REPLAY: &str = concat!(
    "WITH begun AS MATERIALIZED (SELECT pg_current_xact_id() AS xid), ",
    chosen!(),
    ", moved AS (
        INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
            schema_version, source, correlation_id, causation_id, traceparent, tracestate, created_at)
        SELECT id, bucket, aggregate_type, aggregate_id, event_type, payload,
            schema_version, source, correlation_id, causation_id, traceparent, tracestate, created_at
        FROM begun CROSS JOIN gone WHERE xid IS NOT NULL
        ORDER BY seq
        RETURNING seq
    )",
    batch!("moved")
);

const PURGE: &str = concat!("WITH ", chosen!(), batch!("gone"));

/// Any number that nobody else uses; the bytes say "novarepl".
const REPLAY_LOCK: i64 = 0x6e6f_7661_7265_706c;

type Query<'q> =
    sqlx::query::Query<'q, sqlx::Postgres, <sqlx::Postgres as sqlx::Database>::Arguments>;

pub(super) async fn span(
    connection: &mut PgConnection,
    filter: &EventFilter,
) -> Result<Span, sqlx::Error> {
    let row = filtered(SPAN, filter).fetch_one(connection).await?;
    Ok(Span {
        total: u64::try_from(row.try_get::<i64, _>("total")?).unwrap_or_default(),
        after: i64::MIN,
        up_to: row.try_get("up_to")?,
    })
}

pub(super) async fn replay(
    connection: &mut PgConnection,
    filter: &EventFilter,
    span: Span,
    limit: u32,
) -> Result<Batch, sqlx::Error> {
    // In a statement of its own: the next one then sees what the last replay has done.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(REPLAY_LOCK)
        .persistent(false)
        .execute(&mut *connection)
        .await?;
    run(REPLAY, connection, filter, span, limit).await
}

pub(super) async fn purge(
    connection: &mut PgConnection,
    filter: &EventFilter,
    span: Span,
    limit: u32,
) -> Result<Batch, sqlx::Error> {
    run(PURGE, connection, filter, span, limit).await
}

async fn run(
    statement: &'static str,
    connection: &mut PgConnection,
    filter: &EventFilter,
    span: Span,
    limit: u32,
) -> Result<Batch, sqlx::Error> {
    let row = filtered(statement, filter)
        .bind(span.after)
        .bind(span.up_to)
        .bind(i64::from(limit))
        .fetch_one(connection)
        .await?;
    batch(&row)
}

fn batch(row: &PgRow) -> Result<Batch, sqlx::Error> {
    Ok(Batch {
        found: row.try_get("found")?,
        last: row.try_get("last")?,
        done: row.try_get("done")?,
    })
}

fn filtered<'q>(statement: &'static str, filter: &'q EventFilter) -> Query<'q> {
    sqlx::query(statement)
        .bind(filter.buckets())
        .bind(filter.chosen_ids())
        .bind(&filter.aggregate_type)
        .bind(&filter.aggregate_id)
        .bind(&filter.event_type)
        .bind(filter.min_age())
        .persistent(false)
}
