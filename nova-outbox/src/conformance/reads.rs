use std::collections::BTreeMap;
use std::time::Duration;

use super::TestOutbox;
use super::sample::{TTL, epoch, event, failure, read_all, relay};
use nova_events::NewEvent;

use crate::{Bucket, Outcomes, ReadRequest, StoredEvent};

pub(super) async fn an_event_is_read_as_it_was_enqueued(outbox: &impl TestOutbox) {
    let before = chrono::Utc::now();
    let sent = event("post-1", 1);
    outbox.enqueue(vec![sent.clone()]).await;
    let batch = read_all(outbox).await;
    let [row] = batch.events.as_slice() else {
        panic!("expected one event, got {batch:?}");
    };
    assert_eq!(row.key.bucket, Bucket::of("content", "post-1"));
    assert_eq!(
        (row.aggregate_type.as_str(), row.aggregate_id.as_str()),
        ("content", "post-1")
    );
    assert_eq!(row.attempts, 0);
    assert!(row.age < Duration::from_secs(60));
    let mut read = row.event.clone().unwrap().into_parts();
    let age = (read.created_at - before).abs();
    assert!(
        age < chrono::TimeDelta::minutes(1),
        "the time is the database's"
    );
    let sent = sent.into_parts();
    read.created_at = sent.created_at;
    assert_eq!(read, sent);
}

pub(super) async fn a_bucket_is_read_in_order_without_what_is_known(outbox: &impl TestOutbox) {
    outbox
        .enqueue((0..10).map(|n| event("a", n)).collect())
        .await;
    let all = read_all(outbox).await.events;
    let numbers: Vec<_> = all.iter().map(|row| row.event.clone().unwrap()).collect();
    let payloads: Vec<_> = numbers.iter().map(NewEvent::payload).collect();
    let expected: Vec<_> = (0..10).map(|n| event("a", n)).collect();
    let expected: Vec<_> = expected.iter().map(NewEvent::payload).collect();
    assert_eq!(payloads, expected, "in the order given to one enqueue");
    let seqs: Vec<_> = all.iter().map(|row| row.key.seq).collect();
    assert!(seqs.is_sorted());
    // Not a prefix: what was committed late has known ones behind it.
    let known = [seqs[1], seqs[2], seqs[9]];
    let bucket = [Bucket::of("content", "a")];
    let request = ReadRequest::new(&bucket, &known, 3);
    let rest = outbox.store().read(request).await.unwrap().events;
    let rest: Vec<_> = rest.iter().map(|row| row.key.seq).collect();
    assert_eq!(rest, [seqs[0], seqs[3], seqs[4]]);
}

pub(super) async fn what_a_limit_leaves_out_comes_after_what_it_lets_in(outbox: &impl TestOutbox) {
    let events = (0..200).map(|n| event(&format!("a{}", n % 40), n));
    outbox.enqueue(events.collect()).await;
    let mut all: BTreeMap<Bucket, Vec<i64>> = BTreeMap::new();
    for row in read_all(outbox).await.events {
        all.entry(row.key.bucket).or_default().push(row.key.seq);
    }
    let buckets: Vec<_> = all.keys().rev().copied().collect();
    for limit in [1, 7, 100] {
        let request = ReadRequest::new(&buckets, &[], limit);
        let batch = outbox.store().read(request).await.unwrap().events;
        assert_eq!(batch.len(), usize::try_from(limit).unwrap());
        let order = buckets.iter().flat_map(|bucket| &all[bucket]);
        let expected: Vec<_> = order.take(batch.len()).copied().collect();
        let got: Vec<_> = batch.iter().map(|row| row.key.seq).collect();
        assert_eq!(got, expected);
    }
}

pub(super) async fn buckets_that_are_not_asked_for_are_not_read(outbox: &impl TestOutbox) {
    outbox.enqueue(vec![event("a", 1), event("b", 2)]).await;
    assert_ne!(Bucket::of("content", "a"), Bucket::of("content", "b"));
    let bucket = [Bucket::of("content", "a")];
    let request = ReadRequest::new(&bucket, &[], 10);
    let batch = outbox.store().read(request).await.unwrap();
    assert_eq!(batch.events.len(), 1);
    let nothing = outbox
        .store()
        .read(ReadRequest::new(&[], &[], 10))
        .await
        .unwrap();
    assert!(nothing.events.is_empty());
}

pub(super) async fn numbers_are_not_used_again(outbox: &impl TestOutbox) {
    let (relay, _) = relay(outbox).await;
    outbox.enqueue(vec![event("a", 1), event("a", 2)]).await;
    let first = read_all(outbox).await.events;
    let outcomes = Outcomes {
        acknowledged: first.iter().map(|row| row.key).collect(),
        ..Outcomes::default()
    };
    outbox.store().settle(relay, &outcomes).await.unwrap();
    outbox.enqueue(vec![event("a", 3)]).await;
    let next = read_all(outbox).await.events;
    assert!(next[0].key.seq > first[1].key.seq);
}

pub(super) async fn what_is_due_and_known_does_not_hide_what_else_is_due(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    outbox
        .enqueue((0..4).map(|n| event(&format!("a{n}"), n)).collect())
        .await;
    let rows = read_all(outbox).await.events;
    let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
    let outcomes = Outcomes {
        held: keys
            .iter()
            .map(|key| failure(*key, epoch(&leases, *key), Duration::ZERO))
            .collect(),
        ..Outcomes::default()
    };
    outbox.store().settle(relay, &outcomes).await.unwrap();
    let buckets: Vec<_> = Bucket::all().collect();
    let mut known = Vec::new();
    for left in [2, 2, 0] {
        let request = ReadRequest::new(&buckets, &known, 2);
        let batch = outbox.store().read(request).await.unwrap();
        assert!(batch.events.is_empty());
        assert_eq!(batch.due.len(), left);
        known.extend(batch.due.iter().map(|row| row.key.seq));
    }
}

/// Events of one aggregate with payloads of so many bytes.
async fn enqueue_sizes(outbox: &impl TestOutbox, sizes: &[usize]) {
    let events = sizes.iter().map(|size| {
        let mut parts = event("a", 0).into_parts();
        parts.event_id = uuid::Uuid::now_v7();
        parts.payload = vec![b' '; *size].into();
        NewEvent::from_parts(parts).unwrap()
    });
    outbox.enqueue(events.collect()).await;
}

fn sizes(rows: &[StoredEvent]) -> Vec<usize> {
    let events = rows.iter().map(|row| row.event.clone().unwrap());
    events.map(|event| event.payload().len()).collect()
}

pub(super) async fn a_read_ends_with_the_event_that_fills_its_bytes(outbox: &impl TestOutbox) {
    enqueue_sizes(outbox, &[500, 100_000, 300, 200]).await;
    let bucket = [Bucket::of("content", "a")];
    for (bytes, expected, truncated) in [
        (1, &[500][..], true),
        (500, &[500], true),
        (501, &[500, 100_000], true),
        (100_501, &[500, 100_000, 300], true),
        (101_001, &[500, 100_000, 300, 200], false),
    ] {
        let request = ReadRequest::new(&bucket, &[], 10).max_bytes(bytes);
        let batch = outbox.store().read(request).await.unwrap();
        assert_eq!(sizes(&batch.events), expected, "{bytes} bytes");
        assert_eq!(batch.truncated, truncated, "{bytes} bytes");
    }
    let request = ReadRequest::new(&bucket, &[], 4);
    let batch = outbox.store().read(request).await.unwrap();
    assert!(batch.truncated && !batch.due_truncated);
}

pub(super) async fn what_is_due_is_bounded_in_rows_and_bytes_of_its_own(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    let events = (0..4).map(|n| event(&format!("a{n}"), n));
    outbox.enqueue(events.collect()).await;
    let rows = read_all(outbox).await.events;
    let held = rows[..3].iter().map(|row| row.key);
    let outcomes = Outcomes {
        held: held
            .map(|key| failure(key, epoch(&leases, key), Duration::ZERO))
            .collect(),
        ..Outcomes::default()
    };
    outbox.store().settle(relay, &outcomes).await.unwrap();
    let buckets: Vec<_> = Bucket::all().collect();
    let request = ReadRequest::new(&buckets, &[], 10);
    for (request, due, truncated) in [
        (request.due_limit(0), 0, true),
        (request.due_limit(2), 2, true),
        (request.max_bytes(1), 1, true),
        (request.due_limit(10), 3, false),
    ] {
        let batch = outbox.store().read(request).await.unwrap();
        assert_eq!((batch.due.len(), batch.due_truncated), (due, truncated));
        assert_eq!(batch.events.len(), 1, "the others are not held back");
    }
}

pub(super) async fn a_skipped_aggregate_does_not_hide_the_rest(outbox: &impl TestOutbox) {
    let bucket = Bucket::of("content", "hot");
    let mut others = (0..)
        .map(|n| format!("other-{n}"))
        .filter(|id| Bucket::of("content", id) == bucket);
    let other = others.next().unwrap();
    outbox
        .enqueue((0..50).map(|n| event("hot", n)).collect())
        .await;
    outbox.enqueue(vec![event(&other, 1)]).await;
    let skip = ["content/hot".to_owned()];
    let buckets = [bucket];
    let request = ReadRequest::new(&buckets, &[], 10).skip(&skip);
    let batch = outbox.store().read(request).await.unwrap();
    let ids: Vec<_> = batch.events.iter().map(|row| &row.aggregate_id).collect();
    assert_eq!(ids, [&other]);
    assert!(!batch.truncated);
}

pub(super) async fn a_thousand_held_aggregates_do_not_hide_the_rest(outbox: &impl TestOutbox) {
    let (relay, leases) = relay(outbox).await;
    let poison = (0..1000).map(|n| event(&format!("poison-{n}"), n));
    outbox.enqueue(poison.collect()).await;
    let held = read_all(outbox).await.events;
    let outcomes = Outcomes {
        held: held
            .iter()
            .map(|row| failure(row.key, epoch(&leases, row.key), TTL))
            .collect(),
        ..Outcomes::default()
    };
    let settled = outbox.store().settle(relay, &outcomes).await.unwrap();
    assert_eq!(settled.held.len(), 1000);
    outbox.enqueue(vec![event("good", 1)]).await;
    let buckets: Vec<_> = Bucket::all().collect();
    let request = ReadRequest::new(&buckets, &[], 10);
    let batch = outbox.store().read(request).await.unwrap();
    assert_eq!(batch.events.len(), 1);
    assert_eq!(batch.events[0].aggregate_id, "good");
    assert!(batch.due.is_empty());
}
