use std::time::Duration;

use axum::http::StatusCode;
use nova_errors::ServiceError;
use serde_json::json;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use crate::{Claim, CommandClaim, CommandKey, Fingerprint, IdempotencyStore, StoredAnswer};

/// Checks an [`IdempotencyStore`]. Every key that it uses is new, so that a store may hold other things.
///
/// ```
/// use nova_service::{MemoryIdempotencyStore, conformance};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// conformance::idempotency_store(&MemoryIdempotencyStore::default()).await;
/// # });
/// ```
///
/// # Panics
///
/// Where the store breaks a rule; the message names it.
pub async fn idempotency_store(store: &impl IdempotencyStore) {
    the_answer_is_kept(store).await;
    a_failure_is_kept(store).await;
    another_command_is_a_mismatch(store).await;
    a_claim_is_for_one(store).await;
    of_many_at_once_one_is_acquired(store).await;
    a_release_frees_the_key(store).await;
    a_drop_frees_the_key(store).await;
    keys_are_apart(store).await;
    an_answer_is_forgotten_in_time(store).await;
    a_command_without_a_key_keeps_nothing(store).await;
}

const LONG: Duration = Duration::from_secs(60);

fn new_key() -> CommandKey {
    CommandKey::new(None, "conformance", "test", &Uuid::new_v4().to_string())
}

fn command() -> Fingerprint {
    Fingerprint::of(&json!({ "cents": 1200 }))
}

fn reply(data: &str) -> StoredAnswer {
    StoredAnswer::reply(
        StatusCode::OK,
        to_raw_value(data).expect("a string is JSON"),
    )
}

fn text(answer: &StoredAnswer) -> String {
    answer.to_json().expect("an answer is JSON")
}

async fn claim(store: &impl IdempotencyStore, key: &CommandKey) -> Claim {
    store.claim(key, &command()).await.expect("claim")
}

async fn acquired(
    store: &impl IdempotencyStore,
    key: &CommandKey,
    why: &str,
) -> Box<dyn CommandClaim> {
    match claim(store, key).await {
        Claim::Acquired(claim) => claim,
        other => panic!("{why}: expected the claim, got {other:?}"),
    }
}

/// A key that is freed by a task, or by a connection on its way to the pool, is free a moment later.
async fn acquired_soon(
    store: &impl IdempotencyStore,
    key: &CommandKey,
    why: &str,
) -> Box<dyn CommandClaim> {
    // A hundred waits of a tenth of a second: far more than it takes, and an end if it never comes.
    for _ in 0..100 {
        match claim(store, key).await {
            Claim::Acquired(claim) => return claim,
            Claim::InFlight { retry_after } => tokio::time::sleep(retry_after).await,
            other => panic!("{why}: expected the claim, got {other:?}"),
        }
    }
    panic!("{why}: the key stays in flight");
}

async fn answered(store: &impl IdempotencyStore, key: &CommandKey, why: &str) -> StoredAnswer {
    match claim(store, key).await {
        Claim::Answered(answer) => answer,
        other => panic!("{why}: expected the answer, got {other:?}"),
    }
}

async fn the_answer_is_kept(store: &impl IdempotencyStore) {
    let key = new_key();
    let answer = reply("ä \u{0} \"quoted\"");
    let first = acquired(store, &key, "a new key is free").await;
    first.confirm(&answer, LONG).await.expect("confirm");
    for _ in 0..2 {
        let again = answered(store, &key, "a confirmed key has its answer").await;
        assert_eq!(text(&again), text(&answer), "the answer is the first one's");
    }
}

async fn a_failure_is_kept(store: &impl IdempotencyStore) {
    let key = new_key();
    let failure = ServiceError::Conflict("sold out".into());
    let failure = StoredAnswer::failure(StatusCode::CONFLICT, &failure);
    let first = acquired(store, &key, "a new key is free").await;
    first.confirm(&failure, LONG).await.expect("confirm");
    let again = answered(store, &key, "a confirmed key has its answer").await;
    assert_eq!(text(&again), text(&failure), "a failure is an answer too");
}

async fn another_command_is_a_mismatch(store: &impl IdempotencyStore) {
    let key = new_key();
    let first = acquired(store, &key, "a new key is free").await;
    first.confirm(&reply("a"), LONG).await.expect("confirm");
    let other = Fingerprint::of(&json!({ "cents": 1300 }));
    let claim = store.claim(&key, &other).await.expect("claim");
    assert!(
        matches!(claim, Claim::Mismatch),
        "another command is a mismatch, got {claim:?}"
    );
    answered(store, &key, "a mismatch changes nothing").await;
}

async fn a_claim_is_for_one(store: &impl IdempotencyStore) {
    let key = new_key();
    let first = acquired(store, &key, "a new key is free").await;
    let second = claim(store, &key).await;
    let Claim::InFlight { retry_after } = second else {
        panic!("a claimed key is in flight, got {second:?}");
    };
    assert!(
        !retry_after.is_zero() && retry_after <= LONG,
        "the wait is bounded"
    );
    first.confirm(&reply("a"), LONG).await.expect("confirm");
    answered(store, &key, "who waited gets the answer").await;
}

async fn of_many_at_once_one_is_acquired(store: &impl IdempotencyStore) {
    let key = new_key();
    let claims = futures::future::join_all((0..8).map(|_| claim(store, &key))).await;
    let mut acquired = 0;
    for claim in claims {
        match claim {
            Claim::Acquired(claim) => {
                acquired += 1;
                claim.confirm(&reply("a"), LONG).await.expect("confirm");
            }
            Claim::InFlight { .. } => {}
            other => panic!("of many one is acquired, got {other:?}"),
        }
    }
    assert_eq!(acquired, 1, "of many at once one is acquired");
}

async fn a_release_frees_the_key(store: &impl IdempotencyStore) {
    let key = new_key();
    let first = acquired(store, &key, "a new key is free").await;
    first.release().await.expect("release");
    let second = acquired(store, &key, "a released key is free").await;
    second.confirm(&reply("b"), LONG).await.expect("confirm");
    answered(store, &key, "the second one's answer counts").await;
}

async fn a_drop_frees_the_key(store: &impl IdempotencyStore) {
    let key = new_key();
    drop(acquired(store, &key, "a new key is free").await);
    let second = acquired_soon(store, &key, "a dropped claim frees its key").await;
    second.release().await.expect("release");
}

async fn keys_are_apart(store: &impl IdempotencyStore) {
    let (one, other) = (new_key(), new_key());
    let first = acquired(store, &one, "a new key is free").await;
    first.confirm(&reply("a"), LONG).await.expect("confirm");
    let second = acquired(store, &other, "another key is free").await;
    second.release().await.expect("release");
}

async fn an_answer_is_forgotten_in_time(store: &impl IdempotencyStore) {
    let (short, long) = (new_key(), new_key());
    for (key, retention) in [(short, Duration::from_millis(50)), (long, LONG)] {
        let first = acquired(store, &key, "a new key is free").await;
        first
            .confirm(&reply("a"), retention)
            .await
            .expect("confirm");
    }
    for _ in 0..100 {
        match claim(store, &short).await {
            Claim::Acquired(second) => {
                second
                    .confirm(&reply("b"), Duration::from_millis(1))
                    .await
                    .expect("a key whose answer is forgotten takes another");
                purged(store).await;
                answered(store, &long, "what is not over stays").await;
                return;
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("an answer outlived its retention");
}

/// Whatever there is to purge goes in portions of what was asked for.
async fn purged(store: &impl IdempotencyStore) {
    for _ in 0..10_000 {
        match store.purge(1).await.expect("purge") {
            0 => return,
            1 => {}
            more => panic!("asked for one, the store purged {more}"),
        }
    }
    panic!("a purge that finds no end");
}

async fn a_command_without_a_key_keeps_nothing(store: &impl IdempotencyStore) {
    for answer in [
        reply("a"),
        StoredAnswer::failure(StatusCode::CONFLICT, &ServiceError::Conflict("no".into())),
    ] {
        if let Some(claim) = store.without_key().await.expect("without a key") {
            assert!(claim.is_atomic(), "it is there for the sake of its effect");
            claim.confirm(&answer, LONG).await.expect("confirm");
        }
    }
}
