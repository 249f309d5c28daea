use std::time::Duration;

use nova_events::NewEvent;

use super::TestOutbox;
use super::sample::{event, read_all, relay};
use crate::{Bucket, Moved, RelayId};

async fn move_due(outbox: &impl TestOutbox, relay: RelayId, limit: u32) -> Moved {
    let buckets: Vec<_> = Bucket::all().collect();
    let moved = outbox.store().move_due(relay, &buckets, limit).await;
    moved.unwrap()
}

async fn payloads(outbox: &impl TestOutbox) -> Vec<String> {
    let mut rows = read_all(outbox).await.events;
    rows.sort_by_key(|row| row.key.seq);
    let events = rows.into_iter().map(|row| row.event.unwrap());
    events
        .map(|event| String::from_utf8_lossy(event.payload()).into_owned())
        .collect()
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    let numbers = numbers.into_iter();
    numbers.map(|n| format!("{{\"number\":{n}}}")).collect()
}

pub(super) async fn what_is_due_is_moved_once_and_in_the_order_of_its_times(
    outbox: &impl TestOutbox,
) {
    let (relay, _) = relay(outbox).await;
    outbox.enqueue(vec![event("a", 0)]).await;
    let sent = event("a", 1);
    for (number, ago) in [(3, 10), (2, 20), (4, 5)] {
        outbox.schedule(event("a", number), -ago).await;
    }
    outbox.schedule(sent.clone(), -30).await;
    let moved = move_due(outbox, relay, 100).await;
    assert_eq!((moved.events, moved.next), (4, None));
    let again = move_due(outbox, relay, 100).await;
    assert_eq!(again, Moved::default());
    assert_eq!(payloads(outbox).await, numbers(0..5));
    let rows = read_all(outbox).await.events;
    let found = rows.iter().map(|row| row.event.clone().unwrap());
    let mut found = found
        .filter(|event| event.event_id() == sent.event_id())
        .map(NewEvent::into_parts);
    let mut found = found.next().unwrap();
    let sent = sent.into_parts();
    found.created_at = sent.created_at;
    assert_eq!(found, sent, "as it was scheduled");
}

pub(super) async fn what_is_not_due_waits_and_its_wait_is_told(outbox: &impl TestOutbox) {
    let (relay, _) = relay(outbox).await;
    outbox.schedule(event("a", 1), 3600).await;
    outbox.schedule(event("b", 2), 7200).await;
    let moved = move_due(outbox, relay, 100).await;
    assert_eq!(moved.events, 0);
    let wait = Duration::from_secs(3500)..=Duration::from_secs(3700);
    assert!(wait.contains(&moved.next.unwrap()), "{moved:?}");
    let tenancy = outbox
        .store()
        .hold_leases(relay, super::sample::TTL)
        .await
        .unwrap();
    assert!(wait.contains(&tenancy.next_due.unwrap()), "{tenancy:?}");
    assert!(!tenancy.pending);
}

pub(super) async fn only_the_owner_of_a_bucket_moves_its_events(outbox: &impl TestOutbox) {
    let (old, _) = relay(outbox).await;
    outbox.schedule(event("a", 1), -1).await;
    assert_eq!(move_due(outbox, RelayId::new(), 100).await.events, 0);
    outbox.expire_leases().await;
    assert_eq!(move_due(outbox, old, 100).await.events, 0);
    let (new, _) = relay(outbox).await;
    assert_eq!(move_due(outbox, old, 100).await.events, 0);
    let other: Vec<_> = Bucket::all()
        .filter(|bucket| *bucket != Bucket::of("content", "a"))
        .collect();
    let elsewhere = outbox.store().move_due(new, &other, 100).await.unwrap();
    assert_eq!(elsewhere, Moved::default());
    assert_eq!(move_due(outbox, new, 100).await.events, 1);
}

pub(super) async fn a_move_takes_no_more_than_its_limit(outbox: &impl TestOutbox) {
    let (relay, _) = relay(outbox).await;
    for number in 0..5 {
        outbox
            .schedule(event("a", number), i64::from(number) - 100)
            .await;
    }
    let first = move_due(outbox, relay, 3).await;
    assert_eq!((first.events, first.next), (3, Some(Duration::ZERO)));
    assert_eq!(move_due(outbox, relay, 3).await.events, 2);
    assert_eq!(payloads(outbox).await, numbers(0..5));
}

pub(super) async fn what_is_cancelled_is_never_moved(outbox: &impl TestOutbox) {
    let (relay, _) = relay(outbox).await;
    let (gone, kept) = (event("a", 1), event("a", 2));
    outbox.schedule(gone.clone(), -1).await;
    outbox.schedule(kept.clone(), -1).await;
    assert!(outbox.cancel(gone.event_id()).await);
    assert!(!outbox.cancel(gone.event_id()).await);
    assert_eq!(move_due(outbox, relay, 100).await.events, 1);
    assert_eq!(payloads(outbox).await, numbers([2]));
    assert!(!outbox.cancel(kept.event_id()).await, "it is moved");
}
