use nova_outbox::migrate;

use crate::service::sqlite_pool;

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_once() {
    let folder = tempfile::tempdir().unwrap();
    let pools = [
        sqlite_pool(&folder).await,
        sqlite_pool(&folder).await,
        sqlite_pool(&folder).await,
        sqlite_pool(&folder).await,
    ];
    let made = futures::future::join_all(pools.iter().map(migrate)).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    migrate(&pools[0]).await.unwrap();
    let versions: Vec<i32> = sqlx::query_scalar("SELECT version FROM outbox_migrations")
        .fetch_all(&pools[1])
        .await
        .unwrap();
    assert_eq!(versions, [1]);
}

#[tokio::test]
async fn the_columns_are_those_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let pool = sqlite_pool(&folder).await;
    migrate(&pool).await.unwrap();
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info('outbox_events')")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(columns, EVENT_COLUMNS);
}

/// What a change data capture reads: a column per header, besides those that the outbox itself needs.
pub(crate) const EVENT_COLUMNS: [&str; 14] = [
    "seq",
    "id",
    "bucket",
    "aggregate_type",
    "aggregate_id",
    "event_type",
    "payload",
    "schema_version",
    "source",
    "correlation_id",
    "causation_id",
    "traceparent",
    "tracestate",
    "created_at",
];
