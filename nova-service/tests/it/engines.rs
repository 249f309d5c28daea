//! On real PostgreSQL and Redis: their addresses are in `DATABASE_URL` and `REDIS_URL`.

use std::time::Duration;

use nova_service::{
    Claim, CommandKey, Fingerprint, IdempotencyStore, RedisIdempotencyStore, SqlIdempotencyStore,
    StoredAnswer, conformance, migrate_idempotency,
};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::exactly_once;
use crate::idempotency::{lost_commit, sql};

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask engines up`"))
}

/// A schema of its own: the URL that leads to it, and a pool.
async fn scratch() -> (String, PgPool) {
    let url = setting("DATABASE_URL");
    let schema = format!("idempotency_{}", Uuid::new_v4().simple());
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options[search_path]={schema}");
    let pool = PgPoolOptions::new()
        .max_connections(9)
        .connect(&url)
        .await
        .unwrap();
    (url, pool)
}

async fn redis() -> RedisIdempotencyStore {
    let store = RedisIdempotencyStore::connect(&setting("REDIS_URL"))
        .await
        .unwrap();
    store.prefix(&format!("test-{}", Uuid::new_v4().simple()))
}

fn command() -> (CommandKey, Fingerprint) {
    let key = CommandKey::new(None, "a", "b", "c");
    (key, Fingerprint::of(&json!({ "cents": 1200 })))
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn postgres_does_what_an_idempotency_store_must() {
    let (_, pool) = scratch().await;
    migrate_idempotency(&pool).await.unwrap();
    conformance::idempotency_store(&SqlIdempotencyStore::new(pool)).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn processes_that_start_at_once_make_the_table_once() {
    let (_, pool) = scratch().await;
    let made = futures::future::join_all((0..5).map(|_| migrate_idempotency(&pool))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_effect_and_answer_are_one() {
    let (_, pool) = scratch().await;
    sql::checks(&pool).await;
    sql::a_transaction_that_failed_is_no_success(&pool).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_command_in_flight_in_another_process_is_told_at_once() {
    let (_, pool) = scratch().await;
    migrate_idempotency(&pool).await.unwrap();
    let (one, other) = (
        SqlIdempotencyStore::new(pool.clone()),
        SqlIdempotencyStore::new(pool),
    );
    let (key, fingerprint) = command();
    let Claim::Acquired(first) = one.claim(&key, &fingerprint).await.unwrap() else {
        panic!("a new key is free");
    };
    let second = other.claim(&key, &fingerprint).await.unwrap();
    assert!(matches!(second, Claim::InFlight { .. }), "{second:?}");
    first
        .confirm(&StoredAnswer::unkept(), Duration::from_secs(60))
        .await
        .unwrap();
    let third = other.claim(&key, &fingerprint).await.unwrap();
    assert!(matches!(third, Claim::Answered(_)), "{third:?}");
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_commit_whose_answer_is_lost_is_found_by_the_next_attempt() {
    let (url, pool) = scratch().await;
    lost_commit::is_found_by_the_next_attempt(&url, &pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_command_takes_effect_once_through_losses_and_kills() {
    let (url, pool) = scratch().await;
    exactly_once::on_postgres(&url, pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_command_that_is_given_up_takes_effect_at_most_once() {
    let (url, pool) = scratch().await;
    exactly_once::at_most_once_on_postgres(&url, pool).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn redis_does_what_an_idempotency_store_must() {
    conformance::idempotency_store(&redis().await).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn in_redis_a_claim_lives_for_as_long_as_it_is_renewed() {
    let store = redis().await.lease(Duration::from_millis(300));
    let (key, fingerprint) = command();
    let Claim::Acquired(mut first) = store.claim(&key, &fingerprint).await.unwrap() else {
        panic!("a new key is free");
    };
    let four_leases = Duration::from_millis(1200);
    let held = tokio::time::timeout(four_leases, first.hold()).await;
    assert!(held.is_err(), "the claim was lost while it was renewed");
    let second = store.claim(&key, &fingerprint).await.unwrap();
    assert!(matches!(second, Claim::InFlight { .. }), "{second:?}");

    // As where the process stands still: nobody renews it any more, and another takes it.
    let second = loop {
        match store.claim(&key, &fingerprint).await.unwrap() {
            Claim::Acquired(second) => break second,
            Claim::InFlight { retry_after } => tokio::time::sleep(retry_after).await,
            other => panic!("{other:?}"),
        }
    };
    let day = Duration::from_secs(24 * 60 * 60);
    let late = first
        .confirm(&StoredAnswer::unkept(), day)
        .await
        .unwrap_err();
    assert_eq!(late.code(), "aborted");
    second.confirm(&StoredAnswer::unkept(), day).await.unwrap();
    let third = store.claim(&key, &fingerprint).await.unwrap();
    assert!(matches!(third, Claim::Answered(_)), "{third:?}");
}
