//! From an older outbox table to this one, with the scripts that are checked in.

use std::collections::BTreeMap;
use std::time::Duration;

use nova_outbox::{Bucket, OutboxDatabase, OutboxStore, ReadRequest, migrate};
use sqlx::{PgPool, SqlitePool};
use uuid::Uuid;

use crate::scripted_publisher::ScriptedPublisher;
use crate::service::{Service, sqlite_pool};

const POSTGRES: [&str; 2] = [
    include_str!("../../migrations/from_older/postgres_set_aside.sql"),
    include_str!("../../migrations/from_older/postgres_carry_over.sql"),
];
const SQLITE: [&str; 2] = [
    include_str!("../../migrations/from_older/sqlite_set_aside.sql"),
    include_str!("../../migrations/from_older/sqlite_carry_over.sql"),
];

const OLDER_POSTGRES: &str = "
    CREATE TABLE outbox_events (
        id             UUID PRIMARY KEY,
        aggregate_type VARCHAR(255) NOT NULL,
        aggregate_id   VARCHAR(255) NOT NULL,
        event_type     VARCHAR(255) NOT NULL,
        payload        JSONB        NOT NULL,
        created_at     TIMESTAMPTZ  NOT NULL DEFAULT now(),
        published_at   TIMESTAMPTZ,
        retry_count    INT          NOT NULL DEFAULT 0,
        last_error     TEXT
    );
    CREATE INDEX idx_outbox_unpublished ON outbox_events (created_at) WHERE published_at IS NULL";

const OLDER_SQLITE: &str = "
    CREATE TABLE outbox_events (
        id             TEXT PRIMARY KEY,
        aggregate_type TEXT NOT NULL,
        aggregate_id   TEXT NOT NULL,
        event_type     TEXT NOT NULL,
        payload        TEXT NOT NULL,
        created_at     TEXT NOT NULL,
        published_at   TEXT,
        retry_count    INTEGER NOT NULL DEFAULT 0,
        last_error     TEXT
    );
    CREATE INDEX idx_outbox_unpublished ON outbox_events (created_at) WHERE published_at IS NULL";

/// A row of the older table; every third is published already.
struct Row {
    id: Uuid,
    aggregate: String,
    number: u32,
    minute: u32,
    is_published: bool,
}

/// Rows in no order of their ids or numbers; aggregates of each length up to a few blocks of the hash.
fn rows() -> Vec<Row> {
    let row = |number: u32| Row {
        id: Uuid::new_v4(),
        aggregate: match number % 40 {
            0 => "ä".to_owned(),
            1 => Uuid::from_u128(u128::from(number)).to_string(),
            n => "x".repeat(n as usize),
        },
        number,
        minute: number,
        is_published: number.is_multiple_of(3),
    };
    let mut rows: Vec<_> = (0..300).map(row).collect();
    rows.reverse();
    rows
}

/// When it was made, a minute after the other: `2024-05-01T01:05:00Z`.
fn made_at(minute: u32) -> String {
    format!("2024-05-01T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

/// What the relay finds: all that was pending, in its order, in the right buckets.
async fn is_carried_over<DB: OutboxDatabase>(service: &Service<DB>, rows: &[Row]) {
    let mut expected: Vec<&Row> = rows.iter().filter(|row| !row.is_published).collect();
    expected.sort_by_key(|row| row.number);
    let buckets: Vec<_> = Bucket::all().collect();
    let request = ReadRequest::new(&buckets, &[], 10_000);
    let mut found = service.repository().read(request).await.unwrap().events;
    found.sort_by_key(|row| row.key.seq);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.aggregate_id, expected.aggregate);
        assert_eq!(
            found.key.bucket,
            Bucket::of("content", &expected.aggregate),
            "{}",
            expected.aggregate
        );
        let event = found.event.as_ref().unwrap();
        assert_eq!(event.event_id(), expected.id);
        assert_eq!(
            event.payload().as_ref(),
            expected.number.to_string().as_bytes()
        );
        assert_eq!(
            event.created_at().to_rfc3339(),
            made_at(expected.minute).replace('Z', "+00:00")
        );
    }

    let publisher = ScriptedPublisher::acknowledging();
    let relay = service.relay(publisher.clone()).start();
    service.drained().await;
    relay.shutdown(Duration::from_secs(30)).await.unwrap();
    let mut numbers: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for row in rows.iter().rev().filter(|row| !row.is_published) {
        numbers.entry(&row.aggregate).or_default().push(row.number);
    }
    for (aggregate, numbers) in numbers {
        assert_eq!(publisher.numbers()[aggregate], numbers, "{aggregate}");
    }
}

pub(crate) async fn postgres(pool: PgPool) {
    sqlx::raw_sql(OLDER_POSTGRES).execute(&pool).await.unwrap();
    let rows = rows();
    for row in &rows {
        sqlx::query(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, payload, created_at, published_at, retry_count)
            VALUES ($1, 'content', $2, 'content.post.updated', $3::jsonb, $4::timestamptz, CASE WHEN $5 THEN now() END, 2)",
        )
        .bind(row.id)
        .bind(&row.aggregate)
        .bind(row.number.to_string())
        .bind(made_at(row.minute))
        .bind(row.is_published)
        .execute(&pool)
        .await
        .unwrap();
    }
    sqlx::raw_sql(POSTGRES[0]).execute(&pool).await.unwrap();
    migrate(&pool).await.unwrap();
    sqlx::raw_sql(POSTGRES[1]).execute(&pool).await.unwrap();
    // All are marked as published there: nothing is left to be carried over.
    sqlx::raw_sql(POSTGRES[1]).execute(&pool).await.unwrap();
    is_carried_over(&Service::on(pool).await, &rows).await;
}

async fn sqlite(pool: SqlitePool) {
    sqlx::raw_sql(OLDER_SQLITE).execute(&pool).await.unwrap();
    let rows = rows();
    for row in &rows {
        sqlx::query(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, payload, created_at, published_at, retry_count)
            VALUES (?1, 'content', ?2, 'content.post.updated', ?3, ?4, CASE WHEN ?5 THEN 'then' END, 2)",
        )
        .bind(row.id.hyphenated().to_string())
        .bind(&row.aggregate)
        .bind(row.number.to_string())
        .bind(made_at(row.minute))
        .bind(row.is_published)
        .execute(&pool)
        .await
        .unwrap();
    }
    sqlx::raw_sql(SQLITE[0]).execute(&pool).await.unwrap();
    migrate(&pool).await.unwrap();
    sqlx::raw_sql(SQLITE[1]).execute(&pool).await.unwrap();
    // Nothing is left to be carried over.
    sqlx::raw_sql(SQLITE[1]).execute(&pool).await.unwrap();
    is_carried_over(&Service::on(pool).await, &rows).await;
}

#[tokio::test]
async fn what_waits_in_an_older_outbox_is_carried_over_in_order() {
    let folder = tempfile::tempdir().unwrap();
    sqlite(sqlite_pool(&folder).await).await;
}
