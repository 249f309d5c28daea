use std::time::Duration;

use uuid::Uuid;

use crate::{Claim, ClaimId, ConsumerGroup, IdempotencyKey, IdempotencyStore};

/// Checks an [`IdempotencyStore`]. Every event id and group that it uses is new, so that a store may hold
/// other things.
///
/// ```
/// use nova_events::{MemoryIdempotency, conformance};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// conformance::idempotency_store(&MemoryIdempotency::default()).await;
/// # });
/// ```
///
/// # Panics
///
/// Where the store breaks a rule; the message names it.
pub async fn idempotency_store(store: &impl IdempotencyStore) {
    handled_once(store).await;
    claimed_by_one(store).await;
    free_after_release(store).await;
    free_after_the_lease(store).await;
    each_group_by_itself(store).await;
}

const LONG: Duration = Duration::from_secs(60);

fn key() -> IdempotencyKey {
    let group = ConsumerGroup::new(&format!("conformance-{}", Uuid::new_v4()));
    IdempotencyKey::new(group.expect("a valid group"), Uuid::new_v4())
}

async fn acquired(store: &impl IdempotencyStore, key: &IdempotencyKey, why: &str) -> ClaimId {
    match store.claim(key, LONG).await.expect("claim") {
        Claim::Acquired(id) => id,
        other => panic!("{why}: expected the claim, got {other:?}"),
    }
}

async fn handled_once(store: &impl IdempotencyStore) {
    let key = key();
    let claim = acquired(store, &key, "a new event is free").await;
    store.confirm(&key, claim).await.expect("confirm");
    let again = store.claim(&key, LONG).await.expect("claim");
    assert_eq!(again, Claim::Done, "a confirmed event is done");
}

async fn claimed_by_one(store: &impl IdempotencyStore) {
    let key = key();
    let first = acquired(store, &key, "a new event is free").await;
    let second = store.claim(&key, LONG).await.expect("claim");
    let Claim::Held { retry_after } = second else {
        panic!("a claimed event is held, got {second:?}");
    };
    assert!(retry_after <= LONG, "the wait is within the lease");
    store
        .release(&key, ClaimId::new())
        .await
        .expect("a stranger's release is ignored");
    let stranger = store.confirm(&key, ClaimId::new()).await;
    assert!(stranger.is_err(), "a stranger cannot confirm");
    store.confirm(&key, first).await.expect("confirm");
}

async fn free_after_release(store: &impl IdempotencyStore) {
    let key = key();
    let first = acquired(store, &key, "a new event is free").await;
    store.release(&key, first).await.expect("release");
    let second = acquired(store, &key, "a released event is free").await;
    let late = store.confirm(&key, first).await;
    assert!(late.is_err(), "a claim that was given back cannot confirm");
    store.confirm(&key, second).await.expect("confirm");
}

async fn free_after_the_lease(store: &impl IdempotencyStore) {
    let key = key();
    let lease = Duration::from_millis(50);
    let first = match store.claim(&key, lease).await.expect("claim") {
        Claim::Acquired(id) => id,
        other => panic!("a new event is free, got {other:?}"),
    };
    // A hundred waits of at most the lease: far more than it takes, and an end if it never comes.
    for _ in 0..100 {
        match store.claim(&key, LONG).await.expect("claim") {
            Claim::Acquired(second) => {
                assert_ne!(first, second, "each claim has an id of its own");
                let late = store.confirm(&key, first).await;
                assert!(late.is_err(), "a claim that ran out cannot confirm");
                return store.confirm(&key, second).await.expect("confirm");
            }
            Claim::Held { retry_after } => tokio::time::sleep(retry_after).await,
            Claim::Done => panic!("nobody confirmed the event"),
        }
    }
    panic!("a claim outlived its lease");
}

async fn each_group_by_itself(store: &impl IdempotencyStore) {
    let one = key();
    let other = IdempotencyKey::new(key().group().clone(), one.event_id());
    let claim = acquired(store, &one, "a new event is free").await;
    store.confirm(&one, claim).await.expect("confirm");
    acquired(store, &other, "another group handles the event too").await;
}
