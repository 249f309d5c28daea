use super::TestOutbox;
use super::sample::{TTL, event, relay};
use crate::{Bucket, Lease, RelayId};

fn buckets(leases: &[Lease]) -> Vec<Bucket> {
    let mut buckets: Vec<_> = leases.iter().map(|lease| lease.bucket).collect();
    buckets.sort();
    buckets
}

pub(super) async fn the_first_relay_holds_every_bucket(outbox: &impl TestOutbox) {
    let relay = RelayId::new();
    let first = outbox.store().hold_leases(relay, TTL).await.unwrap();
    assert_eq!(first.share, 64);
    assert_eq!(buckets(&first.leases), Bucket::all().collect::<Vec<_>>());
    let mut again = outbox.store().hold_leases(relay, TTL).await.unwrap();
    again.leases.sort_by_key(|lease| lease.bucket);
    let mut leases = first.leases;
    leases.sort_by_key(|lease| lease.bucket);
    assert_eq!(again.leases, leases, "a renewal keeps the epoch");
}

pub(super) async fn a_lease_that_is_held_is_not_given_to_another(outbox: &impl TestOutbox) {
    let (first, _) = relay(outbox).await;
    let second = outbox
        .store()
        .hold_leases(RelayId::new(), TTL)
        .await
        .unwrap();
    assert_eq!(second.leases, []);
    assert_eq!(second.share, 32);
    let first = outbox.store().hold_leases(first, TTL).await.unwrap();
    assert_eq!(
        first.leases.len(),
        64,
        "what is beyond the share stays until it is released"
    );
    assert_eq!(first.share, 32);
}

pub(super) async fn what_is_released_goes_to_the_other_under_a_new_epoch(outbox: &impl TestOutbox) {
    let (first, leases) = relay(outbox).await;
    let (second, none) = relay(outbox).await;
    assert_eq!(none, []);
    let released = leases.get(..40).unwrap();
    outbox.store().release(first, released).await.unwrap();
    let second = outbox.store().hold_leases(second, TTL).await.unwrap();
    assert_eq!(second.leases.len(), 32, "no more than the share");
    for lease in &second.leases {
        let old = released
            .iter()
            .find(|old| old.bucket == lease.bucket)
            .unwrap();
        assert!(lease.epoch > old.epoch);
    }
    let first = outbox.store().hold_leases(first, TTL).await.unwrap();
    assert_eq!(first.leases.len(), 32);
}

pub(super) async fn what_has_expired_is_free_and_its_old_owner_is_fenced(outbox: &impl TestOutbox) {
    let (first, old) = relay(outbox).await;
    outbox.expire_leases().await;
    let (_, new) = relay(outbox).await;
    assert_eq!(new.len(), 64);
    let epoch = |leases: &[Lease]| leases.iter().map(|lease| lease.epoch).max();
    assert!(epoch(&new) > epoch(&old));
    // The old owner's word is of no effect any more.
    outbox.store().release(first, &old).await.unwrap();
    let first = outbox.store().hold_leases(first, TTL).await.unwrap();
    assert_eq!(first.leases, []);
}

pub(super) async fn a_relay_that_leaves_gives_everything_up(outbox: &impl TestOutbox) {
    let (first, _) = relay(outbox).await;
    outbox.store().leave(first).await.unwrap();
    let second = outbox
        .store()
        .hold_leases(RelayId::new(), TTL)
        .await
        .unwrap();
    assert_eq!(second.share, 64, "one that has left has no share");
    assert_eq!(second.leases.len(), 64);
}

pub(super) async fn shares_add_up_to_all_buckets(outbox: &impl TestOutbox) {
    let relays: Vec<_> = (0..5).map(|_| RelayId::new()).collect();
    for relay in &relays {
        outbox.store().hold_leases(*relay, TTL).await.unwrap();
    }
    let mut shares = Vec::new();
    for relay in &relays {
        shares.push(outbox.store().hold_leases(*relay, TTL).await.unwrap().share);
    }
    shares.sort_unstable();
    assert_eq!(shares, [12, 13, 13, 13, 13]);
}

pub(super) async fn a_tenancy_says_whether_there_is_something_to_read(outbox: &impl TestOutbox) {
    let (first, _) = relay(outbox).await;
    let idle = outbox.store().hold_leases(first, TTL).await.unwrap();
    assert!(!idle.pending);
    outbox.enqueue(vec![event("a", 1)]).await;
    let busy = outbox.store().hold_leases(first, TTL).await.unwrap();
    assert!(busy.pending);
}
