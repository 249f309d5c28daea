use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use nova_errors::ServiceError;
use tokio::time::Instant;

use super::aggregate::Aggregate;
use crate::{Bucket, EventKey, OutboxEvent, StoredEvent};

/// The events in memory: a lane per aggregate, which lets one event out at a time.
///
/// A row stays known from the read that found it until its outcome is recorded, so that a later
/// read of the same row does not send it again.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Arc<Aggregate>, Lane>,
    /// The lanes whose first event may go out, longest waiting first.
    ready: VecDeque<Arc<Aggregate>>,
    /// Those whose first event was tried before and failed or did not get out: they go after the others, so that what cannot be delivered
    /// for now does not keep the rest from being tried.
    tried: VecDeque<Arc<Aggregate>>,
    /// The lanes that wait for an outcome to be recorded, by the event that it is of.
    settling: HashMap<i64, Arc<Aggregate>>,
    /// The rows in memory, by bucket.
    known: HashMap<Bucket, HashSet<i64>>,
    /// The lanes that are full, by bucket: their aggregates have more in the outbox.
    full: HashMap<Bucket, HashSet<Arc<Aggregate>>>,
    bytes: usize,
    retries: usize,
}

/// What became of an event that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Queued,
    /// It is in memory already.
    Known,
    /// Its lane is full, and what comes after it in its aggregate is left out too.
    Full,
}

#[derive(Debug)]
struct Lane {
    bucket: Bucket,
    queue: VecDeque<Queued>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In one of the queues.
    Ready,
    /// The first event is on its way.
    InFlight,
    /// The first event has failed, or ended a hold: nothing goes out before that is recorded.
    Settling,
}

#[derive(Debug, Clone)]
pub(super) struct Queued {
    pub(super) key: EventKey,
    pub(super) attempts: u32,
    pub(super) event: Result<Arc<OutboxEvent>, ServiceError>,
    /// Whether its aggregate was on hold for it.
    pub(super) retry: bool,
    /// The age when it was read, and when that was.
    pub(super) age: Duration,
    pub(super) read_at: Instant,
}

impl Queued {
    pub(super) fn new(stored: StoredEvent, retry: bool, now: Instant) -> (Aggregate, Self) {
        let aggregate = Aggregate {
            kind: stored.aggregate_type,
            id: stored.aggregate_id,
        };
        let event = stored.event.map(|event| {
            Arc::new(OutboxEvent {
                seq: stored.key.seq,
                attempts: stored.attempts,
                event,
            })
        });
        let queued = Self {
            key: stored.key,
            attempts: stored.attempts,
            event,
            retry,
            age: stored.age,
            read_at: now,
        };
        (aggregate, queued)
    }

    fn bytes(&self) -> usize {
        self.event
            .as_ref()
            .map_or(0, |event| event.event.payload().len())
    }
}

impl Lanes {
    /// Puts an event into its aggregate's lane, which takes `limit` of them.
    pub(super) fn admit(
        &mut self,
        aggregate: Aggregate,
        queued: Queued,
        limit: usize,
    ) -> Admission {
        if let Some((name, lane)) = self.lanes.get_key_value(&aggregate)
            && lane.queue.len() >= limit
            // One that was committed late goes before others that are in memory.
            && lane.queue.back().is_some_and(|last| last.key.seq < queued.key.seq)
        {
            let full = self.full.entry(lane.bucket).or_default();
            full.insert(Arc::clone(name));
            return Admission::Full;
        }
        if !self.reserve(queued.key) {
            return Admission::Known;
        }
        self.bytes += queued.bytes();
        self.retries += usize::from(queued.retry);
        let aggregate = Arc::new(aggregate);
        match self.lanes.entry(Arc::clone(&aggregate)) {
            Entry::Vacant(entry) => {
                let line = if queued.retry {
                    &mut self.tried
                } else {
                    &mut self.ready
                };
                line.push_back(aggregate);
                entry.insert(Lane {
                    bucket: queued.key.bucket,
                    queue: VecDeque::from([queued]),
                    state: State::Ready,
                });
            }
            Entry::Occupied(mut entry) => {
                let lane = entry.get_mut();
                // The first event may be on its way: nothing goes before it.
                let first = usize::from(lane.state != State::Ready);
                let place = lane
                    .queue
                    .partition_point(|other| other.key.seq < queued.key.seq);
                lane.queue
                    .insert(place.max(first).min(lane.queue.len()), queued);
            }
        }
        Admission::Queued
    }

    /// Makes a row known; `false` where it is already.
    pub(super) fn reserve(&mut self, key: EventKey) -> bool {
        self.known.entry(key.bucket).or_default().insert(key.seq)
    }

    /// Forgets a row whose outcome is recorded, or that is left to another relay.
    pub(super) fn forget(&mut self, key: EventKey) {
        if let Some(known) = self.known.get_mut(&key.bucket) {
            known.remove(&key.seq);
        }
    }

    /// Takes the next event that may go out. Its lane lets no other out until it is told what became of it.
    pub(super) fn take_ready(&mut self) -> Option<(Arc<Aggregate>, Queued)> {
        while let Some(aggregate) = self.ready.pop_front().or_else(|| self.tried.pop_front()) {
            if let Some(lane) = self.lanes.get_mut(&aggregate)
                && lane.state == State::Ready
                && let Some(first) = lane.queue.front()
            {
                lane.state = State::InFlight;
                return Some((aggregate, first.clone()));
            }
        }
        None
    }

    /// The event on its way was acknowledged: the next may go out, unless a hold has to end first. Returns whether the lane was full and is to be
    /// filled again, as no more than `low` are left.
    pub(super) fn acknowledged(
        &mut self,
        aggregate: &Arc<Aggregate>,
        key: EventKey,
        ends_hold: bool,
        low: usize,
    ) -> bool {
        let Some(lane) = self.lanes.get_mut(aggregate) else {
            return false;
        };
        if ends_hold {
            lane.state = State::Settling;
            self.settling.insert(key.seq, Arc::clone(aggregate));
            return false;
        }
        let done = lane.queue.pop_front();
        let (bucket, left) = (lane.bucket, lane.queue.len());
        if left == 0 {
            self.lanes.remove(aggregate);
        } else {
            lane.state = State::Ready;
            self.ready.push_back(Arc::clone(aggregate));
        }
        if let Some(done) = done {
            self.dropped(&done);
        }
        left <= low && self.no_longer_full(bucket, aggregate)
    }

    fn no_longer_full(&mut self, bucket: Bucket, aggregate: &Arc<Aggregate>) -> bool {
        let full = self.full.get_mut(&bucket);
        full.is_some_and(|full| full.remove(aggregate))
    }

    /// An event is in no lane any more.
    fn dropped(&mut self, queued: &Queued) {
        self.bytes = self.bytes.saturating_sub(queued.bytes());
        self.retries = self.retries.saturating_sub(usize::from(queued.retry));
    }

    /// The event on its way has failed: its lane waits until that is recorded.
    pub(super) fn failed(&mut self, aggregate: &Arc<Aggregate>, key: EventKey) {
        if let Some(lane) = self.lanes.get_mut(aggregate) {
            lane.state = State::Settling;
            self.settling.insert(key.seq, Arc::clone(aggregate));
        }
    }

    /// The event on its way did not get out: it is the first of its lane again, and its lane the last.
    pub(super) fn put_back(&mut self, aggregate: &Arc<Aggregate>) {
        if let Some(lane) = self.lanes.get_mut(aggregate) {
            lane.state = State::Ready;
            self.tried.push_back(Arc::clone(aggregate));
        }
    }

    /// The outcome of `key` is recorded: what its lane holds is to be read again when its turn comes.
    pub(super) fn settled(&mut self, key: EventKey) {
        self.forget(key);
        if let Some(aggregate) = self.settling.remove(&key.seq) {
            self.remove(&aggregate);
        }
    }

    /// Drops a lane and forgets its rows.
    pub(super) fn remove(&mut self, aggregate: &Arc<Aggregate>) {
        if let Some(lane) = self.lanes.remove(aggregate) {
            self.no_longer_full(lane.bucket, aggregate);
            for queued in lane.queue {
                self.dropped(&queued);
                self.forget(queued.key);
            }
        }
    }

    /// Drops what has not gone out yet, of the buckets that match; what is on its way stays until its outcome is known.
    pub(super) fn abandon(&mut self, matches: impl Fn(Bucket) -> bool) {
        let mut dropped = Vec::new();
        self.lanes.retain(|_, lane| {
            if !matches(lane.bucket) {
                return true;
            }
            let keep = usize::from(lane.state != State::Ready);
            dropped.extend(lane.queue.drain(keep.min(lane.queue.len())..));
            !lane.queue.is_empty()
        });
        self.full.retain(|bucket, _| !matches(*bucket));
        for queued in dropped {
            self.dropped(&queued);
            self.forget(queued.key);
        }
    }

    /// How many rows of the bucket are known.
    pub(super) fn count(&self, bucket: Bucket) -> usize {
        self.known.get(&bucket).map_or(0, HashSet::len)
    }

    /// The rows of these buckets that are known.
    pub(super) fn known(&self, buckets: &[Bucket]) -> Vec<i64> {
        let known = buckets.iter().filter_map(|bucket| self.known.get(bucket));
        known.flatten().copied().collect()
    }

    /// How many aggregates of the bucket have more in the outbox than their lanes take.
    pub(super) fn full(&self, bucket: Bucket) -> usize {
        self.full.get(&bucket).map_or(0, HashSet::len)
    }

    /// Which they are, as a read takes it.
    pub(super) fn full_names(&self, buckets: &[Bucket]) -> Vec<String> {
        let full = buckets.iter().filter_map(|bucket| self.full.get(bucket));
        full.flatten()
            .map(|aggregate| format!("{}/{}", aggregate.kind, aggregate.id))
            .collect()
    }

    /// How many aggregates wait to let an event out that was not tried yet.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many aggregates wait whose first event did not get out.
    pub(super) fn tried(&self) -> usize {
        self.tried.len()
    }

    /// How many of the events in memory have failed before.
    pub(super) fn retries(&self) -> usize {
        self.retries
    }

    /// How many rows are known.
    pub(super) fn len(&self) -> usize {
        self.known.values().map(HashSet::len).sum()
    }

    /// The payloads in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.values().all(HashSet::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 4;

    fn admit(lanes: &mut Lanes, id: &str, seq: i64, retry: bool) {
        let aggregate = Aggregate {
            kind: "content".to_owned(),
            id: id.to_owned(),
        };
        let queued = Queued {
            key: key(id, seq),
            attempts: 0,
            event: Err(ServiceError::DataLoss("not needed here".into())),
            retry,
            age: Duration::ZERO,
            read_at: Instant::now(),
        };
        lanes.admit(aggregate, queued, LIMIT);
    }

    fn key(id: &str, seq: i64) -> EventKey {
        EventKey {
            bucket: Bucket::of("content", id),
            seq,
        }
    }

    fn take(lanes: &mut Lanes) -> Option<(Arc<Aggregate>, i64)> {
        lanes
            .take_ready()
            .map(|(aggregate, queued)| (aggregate, queued.key.seq))
    }

    #[tokio::test]
    async fn a_lane_lets_the_next_event_out_only_after_the_last_is_acknowledged() {
        let mut lanes = Lanes::default();
        admit(&mut lanes, "a", 1, false);
        admit(&mut lanes, "a", 2, false);
        admit(&mut lanes, "b", 3, false);
        let (a, seq) = take(&mut lanes).unwrap();
        assert_eq!(seq, 1);
        assert_eq!(take(&mut lanes).unwrap().1, 3);
        assert!(take(&mut lanes).is_none());
        lanes.acknowledged(&a, key("a", 1), false, 0);
        assert_eq!(take(&mut lanes).unwrap().1, 2);
    }

    #[tokio::test]
    async fn a_row_that_is_read_again_before_it_is_settled_is_not_sent_again() {
        let mut lanes = Lanes::default();
        admit(&mut lanes, "a", 1, false);
        let (a, _) = take(&mut lanes).unwrap();
        admit(&mut lanes, "a", 1, false);
        lanes.acknowledged(&a, key("a", 1), false, 0);
        admit(&mut lanes, "a", 1, false);
        assert!(take(&mut lanes).is_none());
        assert_eq!(lanes.count(Bucket::of("content", "a")), 1);
        lanes.settled(key("a", 1));
        assert!(lanes.is_empty());
    }

    #[tokio::test]
    async fn a_failure_stops_its_lane_until_it_is_recorded_and_then_drops_it() {
        let mut lanes = Lanes::default();
        admit(&mut lanes, "a", 1, false);
        admit(&mut lanes, "a", 2, false);
        let (a, _) = take(&mut lanes).unwrap();
        lanes.failed(&a, key("a", 1));
        admit(&mut lanes, "a", 3, false);
        assert!(take(&mut lanes).is_none());
        lanes.settled(key("a", 1));
        assert!(lanes.is_empty());
        assert!(take(&mut lanes).is_none());
    }

    #[tokio::test]
    async fn what_is_abandoned_can_be_read_again_and_what_is_on_its_way_stays_first() {
        let mut lanes = Lanes::default();
        for seq in [1, 2] {
            admit(&mut lanes, "a", seq, false);
        }
        admit(&mut lanes, "b", 3, false);
        let (a, _) = take(&mut lanes).unwrap();
        lanes.abandon(|_| true);
        assert!(take(&mut lanes).is_none());
        admit(&mut lanes, "a", 2, false);
        assert!(take(&mut lanes).is_none());
        lanes.put_back(&a);
        assert_eq!(take(&mut lanes).unwrap().1, 1);
        lanes.acknowledged(&a, key("a", 1), false, 0);
        assert_eq!(take(&mut lanes).unwrap().1, 2);
    }

    #[tokio::test]
    async fn what_did_not_get_out_is_tried_again_after_what_was_not_tried() {
        let mut lanes = Lanes::default();
        admit(&mut lanes, "a", 1, false);
        admit(&mut lanes, "b", 2, false);
        let (a, _) = take(&mut lanes).unwrap();
        lanes.put_back(&a);
        admit(&mut lanes, "c", 3, false);
        assert_eq!((lanes.ready(), lanes.tried()), (2, 1));
        let order: Vec<_> = std::iter::from_fn(|| take(&mut lanes)).collect();
        assert_eq!(
            order.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
            [2, 3, 1]
        );
    }

    #[tokio::test]
    async fn a_full_lane_takes_no_more_until_half_of_it_is_gone() {
        let mut lanes = Lanes::default();
        for seq in [1, 2, 4, 5, 6, 7] {
            admit(&mut lanes, "a", seq, false);
        }
        let bucket = Bucket::of("content", "a");
        assert_eq!((lanes.count(bucket), lanes.full(bucket)), (LIMIT, 1));
        assert_eq!(lanes.full_names(&[bucket]), ["content/a"]);
        // It was committed late, and what is in memory would overtake it.
        admit(&mut lanes, "a", 3, false);
        let mut order = Vec::new();
        loop {
            let (a, seq) = take(&mut lanes).unwrap();
            order.push(seq);
            if lanes.acknowledged(&a, key("a", seq), false, LIMIT / 2) {
                break;
            }
        }
        assert_eq!(order, [1, 2, 3]);
        assert_eq!(lanes.full(bucket), 0);
        for seq in [6, 7] {
            admit(&mut lanes, "a", seq, false);
        }
        while let Some((a, seq)) = take(&mut lanes) {
            order.push(seq);
            assert!(!lanes.acknowledged(&a, key("a", seq), false, LIMIT / 2));
        }
        assert_eq!(order, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[tokio::test]
    async fn an_abandoned_lane_is_full_no_more() {
        let mut lanes = Lanes::default();
        for seq in 1..=5 {
            admit(&mut lanes, "a", seq, seq == 1);
        }
        let bucket = Bucket::of("content", "a");
        assert_eq!((lanes.full(bucket), lanes.retries()), (1, 1));
        lanes.abandon(|_| true);
        assert_eq!((lanes.full(bucket), lanes.retries()), (0, 0));
        assert_eq!(lanes.len(), 0);
    }

    #[tokio::test]
    async fn rows_go_out_by_number_whatever_the_order_of_reading() {
        let mut lanes = Lanes::default();
        for seq in [5, 3, 4] {
            admit(&mut lanes, "a", seq, false);
        }
        let mut order = Vec::new();
        while let Some((a, seq)) = take(&mut lanes) {
            order.push(seq);
            lanes.acknowledged(&a, key("a", seq), false, 0);
        }
        assert_eq!(order, [3, 4, 5]);
    }
}
