use sqlx::types::Json;
use sqlx::{Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::EventFilter;
use crate::admin::batches::{Batch, Span};

macro_rules! matches {
    () => {
        "FROM outbox_dead x
        WHERE x.bucket IN (SELECT value FROM json_each(?1))
            AND (?2 IS NULL OR x.id IN (SELECT value FROM json_each(?2)))
            AND (?3 IS NULL OR x.aggregate_type = ?3)
            AND (?4 IS NULL OR x.aggregate_id = ?4)
            AND (?5 IS NULL OR x.event_type = ?5)
            AND (?6 IS NULL OR unixepoch(x.died_at, 'subsec') < unixepoch('now', 'subsec') - ?6)"
    };
}

const SPAN: &str = concat!(
    "SELECT count(*) AS total, coalesce(max(x.seq), 0) AS up_to ",
    matches!()
);

const CHOOSE: &str = concat!(
    "SELECT x.seq ",
    matches!(),
    " AND x.seq > ?7 AND x.seq <= ?8 ORDER BY x.seq LIMIT ?9"
);

const MOVE: &str = "
    INSERT INTO outbox_events (id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate, created_at)
    SELECT id, bucket, aggregate_type, aggregate_id, event_type, payload,
        schema_version, source, correlation_id, causation_id, traceparent, tracestate, created_at
    FROM outbox_dead WHERE seq IN (SELECT value FROM json_each(?1))
    ORDER BY seq";

const DELETE: &str = "DELETE FROM outbox_dead WHERE seq IN (SELECT value FROM json_each(?1))";

type Query<'q> = sqlx::query::Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments>;

pub(super) async fn span(
    connection: &mut SqliteConnection,
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
    connection: &mut SqliteConnection,
    filter: &EventFilter,
    span: Span,
    limit: u32,
) -> Result<Batch, sqlx::Error> {
    run(&[MOVE, DELETE], connection, filter, span, limit).await
}

pub(super) async fn purge(
    connection: &mut SqliteConnection,
    filter: &EventFilter,
    span: Span,
    limit: u32,
) -> Result<Batch, sqlx::Error> {
    run(&[DELETE], connection, filter, span, limit).await
}

async fn run(
    statements: &[&'static str],
    connection: &mut SqliteConnection,
    filter: &EventFilter,
    span: Span,
    limit: u32,
) -> Result<Batch, sqlx::Error> {
    let rows = filtered(CHOOSE, filter)
        .bind(span.after)
        .bind(span.up_to)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    let chosen: Result<Vec<i64>, _> = rows.iter().map(|row| row.try_get("seq")).collect();
    let chosen = chosen?;
    let mut done = 0;
    for statement in statements {
        done = sqlx::query(*statement)
            .bind(Json(&chosen))
            .execute(&mut *connection)
            .await?
            .rows_affected();
    }
    Ok(Batch {
        found: i64::try_from(chosen.len()).unwrap_or(i64::MAX),
        last: chosen.last().copied(),
        done: i64::try_from(done).unwrap_or(i64::MAX),
    })
}

fn filtered<'q>(statement: &'static str, filter: &'q EventFilter) -> Query<'q> {
    sqlx::query(statement)
        .bind(Json(filter.buckets()))
        .bind(filter.chosen_ids().map(texts))
        .bind(&filter.aggregate_type)
        .bind(&filter.aggregate_id)
        .bind(&filter.event_type)
        .bind(filter.min_age())
}

/// Ids as they are stored.
pub(super) fn texts(ids: &[Uuid]) -> Json<Vec<String>> {
    Json(ids.iter().map(|id| id.hyphenated().to_string()).collect())
}
