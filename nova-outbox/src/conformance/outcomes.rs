use std::time::Duration;

use super::TestOutbox;
use super::sample::{TTL, epoch, event, failure, read_all, relay};
use crate::{Bucket, EventKey, Lease, OutboxStats, Outcomes, RelayId, Release, Settled};

async fn stats(outbox: &impl TestOutbox) -> OutboxStats {
    let buckets: Vec<_> = Bucket::all().collect();
    outbox.store().stats(&buckets).await.unwrap()
}

/// Enqueues two events of one aggregate; returns the key of the first.
async fn two_events(outbox: &impl TestOutbox) -> EventKey {
    outbox.enqueue(vec![event("a", 1), event("a", 2)]).await;
    read_all(outbox).await.events[0].key
}

async fn hold(
    outbox: &impl TestOutbox,
    relay: RelayId,
    epoch: i64,
    key: EventKey,
    delay: Duration,
) -> Settled {
    let outcomes = Outcomes {
        held: vec![failure(key, epoch, delay)],
        ..Outcomes::default()
    };
    outbox.store().settle(relay, &outcomes).await.unwrap()
}

pub(super) async fn what_was_acknowledged_is_gone_whoever_says_so(outbox: &impl TestOutbox) {
    let first = two_events(outbox).await;
    let before = stats(outbox).await;
    assert_eq!(before.pending, 2);
    assert!(before.oldest_age.is_some());
    let outcomes = Outcomes {
        acknowledged: vec![first],
        ..Outcomes::default()
    };
    outbox
        .store()
        .settle(RelayId::new(), &outcomes)
        .await
        .unwrap();
    let left = read_all(outbox).await.events;
    assert_eq!(left.len(), 1);
    assert!(left[0].key.seq > first.seq);
}

pub(super) async fn a_held_aggregate_is_skipped_until_its_event_is_due(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    let first = two_events(outbox).await;
    let epoch = epoch(&leases, first);
    let settled = hold(outbox, relay, epoch, first, TTL).await;
    assert_eq!(settled.held, [first]);
    let batch = read_all(outbox).await;
    assert!(batch.events.is_empty() && batch.due.is_empty());
    assert_eq!(stats(outbox).await.retrying, 1);

    hold(outbox, relay, epoch, first, Duration::ZERO).await;
    let batch = read_all(outbox).await;
    assert!(
        batch.events.is_empty(),
        "its other events wait for the first"
    );
    let [due] = batch.due.as_slice() else {
        panic!("expected one event, got {batch:?}");
    };
    assert_eq!((due.key, due.attempts), (first, 2));
    assert!(due.event.is_ok());
}

pub(super) async fn a_release_lets_the_aggregate_go_on(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    let first = two_events(outbox).await;
    let epoch = epoch(&leases, first);
    hold(outbox, relay, epoch, first, TTL).await;
    let outcomes = Outcomes {
        acknowledged: vec![first],
        released: vec![Release { key: first, epoch }],
        ..Outcomes::default()
    };
    outbox.store().settle(relay, &outcomes).await.unwrap();
    let batch = read_all(outbox).await;
    assert_eq!(batch.events.len(), 1);
    assert!(batch.events[0].key.seq > first.seq);
    assert_eq!(stats(outbox).await.retrying, 0);
}

pub(super) async fn a_dead_letter_leaves_the_outbox_and_ends_its_hold(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    let first = two_events(outbox).await;
    let epoch = epoch(&leases, first);
    hold(outbox, relay, epoch, first, TTL).await;
    let outcomes = Outcomes {
        dead: vec![failure(first, epoch, Duration::ZERO)],
        ..Outcomes::default()
    };
    let settled = outbox.store().settle(relay, &outcomes).await.unwrap();
    assert_eq!(settled.dead, [first]);
    let counts = stats(outbox).await;
    assert_eq!((counts.pending, counts.retrying, counts.dead), (1, 0, 1));
    assert_eq!(read_all(outbox).await.events.len(), 1);
}

pub(super) async fn an_old_epoch_can_neither_hold_nor_release_nor_bury(outbox: &impl TestOutbox) {
    let (old_relay, old) = relay(outbox).await;
    let first = two_events(outbox).await;
    outbox.expire_leases().await;
    let (new_relay, new) = relay(outbox).await;
    let lease = |leases: &[Lease]| epoch(leases, first);
    // Neither under its own old epoch, nor by naming the new one.
    for epoch in [lease(&old), lease(&new)] {
        let outcomes = Outcomes {
            held: vec![failure(first, epoch, TTL)],
            ..Outcomes::default()
        };
        let settled = outbox.store().settle(old_relay, &outcomes).await.unwrap();
        assert_eq!(settled, Settled::default());
        let outcomes = Outcomes {
            dead: vec![failure(first, epoch, TTL)],
            ..Outcomes::default()
        };
        let settled = outbox.store().settle(old_relay, &outcomes).await.unwrap();
        assert_eq!(settled, Settled::default());
    }
    assert_eq!(read_all(outbox).await.events.len(), 2);
    hold(outbox, new_relay, lease(&new), first, TTL).await;
    let outcomes = Outcomes {
        released: vec![Release {
            key: first,
            epoch: lease(&old),
        }],
        ..Outcomes::default()
    };
    let settled = outbox.store().settle(old_relay, &outcomes).await.unwrap();
    assert_eq!(settled, Settled::default());
    assert!(read_all(outbox).await.events.is_empty());
}

pub(super) async fn a_hold_whose_event_is_gone_is_an_orphan(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    let first = two_events(outbox).await;
    let epoch = epoch(&leases, first);
    hold(outbox, relay, epoch, first, Duration::ZERO).await;
    let gone = Outcomes {
        acknowledged: vec![first],
        ..Outcomes::default()
    };
    outbox.store().settle(RelayId::new(), &gone).await.unwrap();
    let batch = read_all(outbox).await;
    assert!(batch.events.is_empty() && batch.due.is_empty());
    assert_eq!(batch.orphans, [first]);
    let outcomes = Outcomes {
        released: vec![Release { key: first, epoch }],
        ..Outcomes::default()
    };
    let settled = outbox.store().settle(relay, &outcomes).await.unwrap();
    assert_eq!(settled.released, [first]);
    let batch = read_all(outbox).await;
    assert_eq!(batch.events.len(), 1);
    assert!(batch.orphans.is_empty());
}

pub(super) async fn recording_the_same_outcomes_twice_changes_nothing(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    outbox
        .enqueue(vec![event("a", 1), event("b", 2), event("c", 3)])
        .await;
    let keys: Vec<_> = read_all(outbox)
        .await
        .events
        .iter()
        .map(|row| row.key)
        .collect();
    let outcomes = Outcomes {
        acknowledged: vec![keys[0]],
        released: vec![Release {
            key: keys[0],
            epoch: epoch(&leases, keys[0]),
        }],
        held: vec![failure(keys[1], epoch(&leases, keys[1]), TTL)],
        dead: vec![failure(keys[2], epoch(&leases, keys[2]), TTL)],
    };
    outbox.store().settle(relay, &outcomes).await.unwrap();
    let once = stats(outbox).await;
    outbox.store().settle(relay, &outcomes).await.unwrap();
    let twice = stats(outbox).await;
    assert_eq!((once.pending, once.retrying, once.dead), (1, 1, 1));
    assert_eq!((twice.pending, twice.retrying, twice.dead), (1, 1, 1));
}
