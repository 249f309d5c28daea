//! On real PostgreSQL and Redis: their addresses are in `DATABASE_URL` and `REDIS_URL`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nova_service::{
    Claim, CommandKey, Fingerprint, IdempotencyStore, RedisIdempotencyStore, SqlIdempotencyStore,
    StoredAnswer, conformance, migrate_idempotency,
};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
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
async fn on_postgres_the_stores_of_two_schemas_are_apart() {
    let mut claims = Vec::new();
    for _ in 0..2 {
        let (_, pool) = scratch().await;
        migrate_idempotency(&pool).await.unwrap();
        let (key, fingerprint) = command();
        let store = SqlIdempotencyStore::new(pool);
        let claim = store.claim(&key, &fingerprint).await.unwrap();
        assert!(matches!(claim, Claim::Acquired(_)), "{claim:?}");
        claims.push(claim);
    }
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_commit_whose_answer_is_lost_is_found_by_the_next_attempt() {
    let (url, pool) = scratch().await;
    lost_commit::is_found_by_the_next_attempt(&url, &pool).await;
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_commit_whose_request_is_dropped_is_found_by_the_next_attempt() {
    let (url, pool) = scratch().await;
    lost_commit::whose_request_is_dropped_is_found_too(&url, &pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_any_isolation_level_is_right() {
    for level in ["read committed", "repeatable read", "serializable"] {
        let (url, _) = scratch().await;
        let options: PgConnectOptions = url.parse().unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(9)
            .connect_with(options.options([("default_transaction_isolation", level)]))
            .await
            .unwrap();
        sql::checks(&pool).await;
        sql::of_many_attempts_in_two_processes_one_takes_effect(&pool).await;
    }
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_commit_that_is_refused_leaves_nothing_and_the_next_attempt_runs() {
    let (_, pool) = scratch().await;
    sql::a_commit_that_is_refused_leaves_nothing(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn on_postgres_a_purge_deletes_no_answer_that_was_kept_anew() {
    let (_, pool) = scratch().await;
    migrate_idempotency(&pool).await.unwrap();
    let store = SqlIdempotencyStore::new(pool);
    let (_, fingerprint) = command();
    let keys: Vec<_> = (0..200)
        .map(|n| CommandKey::new(None, "a", "b", &n.to_string()))
        .collect();
    let keep = async |key: &CommandKey, retention: Duration| loop {
        if let Claim::Acquired(claim) = store.claim(key, &fingerprint).await.unwrap() {
            let kept = claim.confirm(&StoredAnswer::unkept(), retention).await;
            return kept.unwrap();
        }
    };
    for key in &keys {
        keep(key, Duration::from_millis(1)).await;
    }
    let done = AtomicBool::new(false);
    let keeping = async {
        for key in &keys {
            keep(key, Duration::from_secs(60)).await;
        }
        done.store(true, Ordering::SeqCst);
    };
    let purging = async {
        while !done.load(Ordering::SeqCst) {
            store.purge(3).await.unwrap();
        }
    };
    tokio::join!(keeping, purging);
    for key in &keys {
        let found = store.claim(key, &fingerprint).await.unwrap();
        assert!(matches!(found, Claim::Answered(_)), "{found:?}");
    }
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
    // No claim that is left to its lease passes for one that was given back.
    let store = redis().await.lease(Duration::from_secs(3600));
    conformance::idempotency_store(&store).await;
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

/// Waits until the only entry of a store is gone.
async fn lapsed(prefix: &str) {
    let client = redis::Client::open(setting("REDIS_URL")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let name = format!("{prefix}:{}", command().0);
    for _ in 0..1000 {
        let exists: bool = redis::cmd("EXISTS")
            .arg(&name)
            .query_async(&mut connection)
            .await
            .unwrap();
        if !exists {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} does not lapse");
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn in_redis_an_answer_counts_though_its_claim_ran_out_where_nobody_took_the_key() {
    let prefix = format!("test-{}", Uuid::new_v4().simple());
    let store = redis()
        .await
        .prefix(&prefix)
        .lease(Duration::from_millis(100));
    let (key, fingerprint) = command();
    let Claim::Acquired(claim) = store.claim(&key, &fingerprint).await.unwrap() else {
        panic!("a new key is free");
    };
    lapsed(&prefix).await;
    let day = Duration::from_secs(24 * 60 * 60);
    claim.confirm(&StoredAnswer::unkept(), day).await.unwrap();
    let again = store.claim(&key, &fingerprint).await.unwrap();
    assert!(matches!(again, Claim::Answered(_)), "{again:?}");
}

#[tokio::test]
#[ignore = "needs real engines: cargo xtask test-engines"]
async fn in_redis_a_claim_that_was_lost_is_taken_again_unless_another_has_it() {
    let prefix = format!("test-{}", Uuid::new_v4().simple());
    let store = redis()
        .await
        .prefix(&prefix)
        .lease(Duration::from_millis(300));
    let (key, fingerprint) = command();
    let Claim::Acquired(mut first) = store.claim(&key, &fingerprint).await.unwrap() else {
        panic!("a new key is free");
    };
    lapsed(&prefix).await;
    let three_leases = Duration::from_millis(900);
    let held = tokio::time::timeout(three_leases, first.hold()).await;
    assert!(held.is_err(), "the claim was given up");
    let second = store.claim(&key, &fingerprint).await.unwrap();
    assert!(matches!(second, Claim::InFlight { .. }), "{second:?}");

    lapsed(&prefix).await;
    let other = store.clone().lease(Duration::from_secs(60));
    let Claim::Acquired(_second) = other.claim(&key, &fingerprint).await.unwrap() else {
        panic!("a lapsed key is free");
    };
    // It gives up by itself, and leaves the other's claim alone.
    first.hold().await;
    first.release().await.unwrap();
    let third = store.claim(&key, &fingerprint).await.unwrap();
    assert!(matches!(third, Claim::InFlight { .. }), "{third:?}");
}
