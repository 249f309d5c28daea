use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio_util::sync::ReusableBoxFuture;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::batcher::{BatchLane, Batchers, Reply};
use super::lane::{Lane, LaneKey};
use super::partition_window::{PartitionWindow, Place};
use super::{Pipeline, Poller, Stop};
use crate::ReceivedRecord;

/// An assigned partition: its window, and a queue per key.
///
/// A key that has records has one task, a lane, which handles them one after the other; lanes of
/// different keys run side by side.
#[derive(Debug)]
pub(crate) struct Partition {
    state: Mutex<State>,
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    batchers: Batchers,
    stop: Stop,
    poller: Arc<Poller>,
}

#[derive(Debug, Default)]
struct State {
    window: PartitionWindow,
    lanes: HashMap<LaneKey, VecDeque<Queued>>,
    running: usize,
    committed: Option<i64>,
}

/// A record that waits for its turn, and its place in the window.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) record: ReceivedRecord,
    place: Place,
}

/// How much a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// The records at or behind the first one that is not done.
    pub(crate) window: usize,
    /// The bytes in flight of all partitions.
    pub(crate) bytes: usize,
}

/// How many lanes begin before other tasks get a turn.
const STARTS_PER_TURN: usize = 32;

impl Partition {
    pub(crate) fn new(poller: Arc<Poller>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            batchers: Batchers::default(),
            stop: Stop::default(),
            poller,
        })
    }

    /// Queues records in order, each behind those of its key. Those that come after draining began are left out.
    pub(crate) fn submit(
        self: &Arc<Self>,
        records: impl IntoIterator<Item = ReceivedRecord>,
        pipeline: &Arc<Pipeline>,
        runtime: &Handle,
    ) {
        let mut starts = Vec::new();
        let mut bytes = 0;
        let mut state = self.lock();
        if self.stop.is_draining() {
            return;
        }
        for record in records {
            bytes += record.record().size();
            let (key, queued) = (LaneKey::of(&record), state.queued(record));
            match state.lanes.entry(key) {
                Entry::Occupied(mut lane) => lane.get_mut().push_back(queued),
                Entry::Vacant(vacant) => {
                    let lane = Lane::new(Arc::clone(self), vacant.key().clone());
                    vacant.insert(VecDeque::new());
                    starts.push((lane, queued));
                }
            }
        }
        state.running += starts.len();
        drop(state);
        self.poller.add_bytes(bytes);
        if !starts.is_empty() {
            runtime.spawn(start(starts, Arc::clone(pipeline), runtime.clone()));
        }
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            window: self.lock().window.len(),
            bytes: self.poller.bytes(),
        }
    }

    /// The position to commit, where it moved since the last call.
    pub(crate) fn take_position(&self) -> Option<i64> {
        let mut state = self.lock();
        let position = state.window.position();
        if position == state.committed {
            return None;
        }
        state.committed = position;
        position
    }

    /// A commit failed: the position is to be committed again.
    pub(crate) fn forget_commit(&self) {
        self.lock().committed = None;
    }

    /// When the first record that is not done was written.
    pub(crate) fn oldest(&self) -> Option<DateTime<Utc>> {
        self.lock().window.oldest()
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Whether no handler of the partition runs any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().running == 0
    }

    /// Has records handled in a batch. `None` where that was cut off; they are abandoned then.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) async fn batch(
        self: &Arc<Self>,
        event_type: &'static str,
        group: Vec<Queued>,
        pipeline: &Arc<Pipeline>,
    ) -> Option<Reply> {
        let bytes: usize = group
            .iter()
            .map(|queued| queued.record.record().size())
            .sum();
        let (answer, leads) = self.batchers.join(event_type, group);
        if leads {
            self.lock().running += 1;
            let lane = BatchLane {
                partition: Arc::clone(self),
                event_type,
            };
            tokio::spawn(lane.run(Arc::clone(pipeline)));
        }
        let answer = answer.await.ok();
        if answer.is_none() {
            self.poller.remove_bytes(bytes);
        }
        answer
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn batchers(&self) -> &Batchers {
        &self.batchers
    }

    /// Takes further records of a key, up to `limit` in all, as long as they are wanted.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn next_while(
        &self,
        key: &LaneKey,
        group: &mut Vec<Queued>,
        limit: usize,
        wanted: impl Fn(&ReceivedRecord) -> bool,
    ) {
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(key) else {
            return;
        };
        while group.len() < limit
            && let Some(queued) = lane.pop_front_if(|queued| wanted(&queued.record))
        {
            group.push(queued);
        }
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn complete(&self, queued: &Queued) {
        self.lock().window.complete(queued.place);
        self.free(queued);
    }

    /// The next record of a key. The lane ends where there is none.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn next(&self, key: &LaneKey) -> Option<Queued> {
        self.lock().next(key, &self.stop)
    }

    pub(super) fn complete_and_next(&self, queued: &Queued, key: &LaneKey) -> Option<Queued> {
        let next = {
            let mut state = self.lock();
            state.window.complete(queued.place);
            state.next(key, &self.stop)
        };
        self.free(queued);
        next
    }

    /// The bytes of a record are free: it is done, or given up undone and comes again.
    pub(super) fn free(&self, queued: &Queued) {
        self.poller.remove_bytes(queued.record.record().size());
    }

    /// A lane has ended.
    pub(super) fn leave(&self) {
        self.lock().running -= 1;
        self.poller.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queued(&mut self, record: ReceivedRecord) -> Queued {
        let offset = record.offset();
        if self.window.is_behind(offset) {
            tracing::warn!(
                topic = %record.record().topic(),
                partition = record.partition(),
                offset,
                "the partition was truncated or made anew; it is read again from here"
            );
            self.window.rewind_to(offset);
        }
        let place = self.window.accept(offset, record.timestamp());
        Queued { record, place }
    }

    fn next(&mut self, key: &LaneKey, stop: &Stop) -> Option<Queued> {
        if stop.is_draining() {
            return None;
        }
        let next = self.lanes.get_mut(key)?.pop_front();
        if next.is_none() {
            self.lanes.remove(key);
        }
        next
    }
}

/// Begins lanes. Most handlers are done at once: a lane becomes a task of its own only when it has to wait.
async fn start(starts: Vec<(Lane, Queued)>, pipeline: Arc<Pipeline>, runtime: Handle) {
    let mut room: Option<ReusableBoxFuture<'static, ()>> = None;
    for (number, (lane, queued)) in starts.into_iter().enumerate() {
        let lane = lane.run(queued, Arc::clone(&pipeline));
        let mut lane = match room.take() {
            Some(mut room) => {
                room.set(lane);
                room
            }
            None => ReusableBoxFuture::new(lane),
        };
        match futures::poll!(&mut lane) {
            Poll::Ready(()) => room = Some(lane),
            Poll::Pending => drop(runtime.spawn(lane)),
        }
        if number % STARTS_PER_TURN == STARTS_PER_TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let left = state.lanes.values().flatten();
        let bytes = left.map(|queued| queued.record.record().size()).sum();
        self.poller.remove_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use nova_errors::{RetryPolicy, ServiceError};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::consumer::lane::AFTER_PANIC;
    use crate::consumer::{Meters, Registration, Routes, TypedHandler};
    use crate::social::FollowCreated;
    use crate::{
        Claim, ClaimId, Event, EventRecord, IdempotencyKey, IdempotencyStore, MemoryIdempotency,
        NewEvent,
    };
    use tokio::time::sleep;

    fn pipeline<F, Fut>(handler: F) -> Arc<Pipeline>
    where
        F: Fn(Event<FollowCreated>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let handler = Arc::new(TypedHandler::<FollowCreated, F>::new(handler));
        let registration = Registration::new::<FollowCreated>(move |_| Ok(handler));
        Arc::new(Pipeline {
            group: "group".parse().unwrap(),
            routes: Routes::new(vec![registration], None, &[]).unwrap(),
            retry: RetryPolicy::never(),
            handler_timeout: Duration::from_secs(3600),
            idempotency: None,
            dead_letters: None,
            batch_size: 100,
            meters: Meters::new("group".parse().unwrap()),
            permits: Semaphore::new(8),
        })
    }

    fn record(follower: u128, offset: i64) -> ReceivedRecord {
        let event = NewEvent::new(&FollowCreated {
            follower_id: uuid::Uuid::from_u128(follower),
            followee_id: uuid::Uuid::from_u128(1),
            created_at: DateTime::UNIX_EPOCH,
        });
        let topic = "nova.social.events".parse().unwrap();
        ReceivedRecord::new(
            EventRecord::from_event(&event.unwrap(), None, topic),
            0,
            offset,
        )
    }

    async fn idle(partition: &Partition) {
        while !partition.is_idle() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn draining_finishes_what_runs_and_leaves_what_waits() {
        let gate = Arc::new(Semaphore::new(0));
        let handlers_gate = Arc::clone(&gate);
        let pipeline = pipeline(move |_| {
            let gate = Arc::clone(&handlers_gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(())
            }
        });
        let poller = Arc::<Poller>::default();
        let partition = Partition::new(Arc::clone(&poller));
        let runtime = Handle::current();
        partition.submit((0..3).map(|offset| record(7, offset)), &pipeline, &runtime);
        while pipeline.permits.available_permits() == 8 {
            tokio::task::yield_now().await;
        }
        partition.stop().drain();
        gate.add_permits(3);
        idle(&partition).await;
        assert_eq!(partition.take_position(), Some(1));
        assert_eq!(partition.take_position(), None, "it did not move");
        partition.submit([record(8, 3)], &pipeline, &runtime);
        assert_eq!(partition.load().window, 2);
        drop(partition);
        assert_eq!(poller.bytes(), 0);
    }

    #[tokio::test]
    async fn cancelling_drops_what_runs_and_frees_its_bytes() {
        let pipeline = pipeline(|_| pending());
        let poller = Arc::<Poller>::default();
        let partition = Partition::new(Arc::clone(&poller));
        for offset in 0..4_i64 {
            let record = record(u128::from(offset.unsigned_abs() % 2), offset);
            partition.submit([record], &pipeline, &Handle::current());
        }
        assert!(poller.bytes() > 0);
        partition.stop().cancel();
        idle(&partition).await;
        assert_eq!(partition.take_position(), Some(0));
        drop(partition);
        assert_eq!(poller.bytes(), 0);
    }

    #[derive(Debug, Default)]
    struct PanicsOnce {
        panicked: AtomicBool,
        store: MemoryIdempotency,
    }

    #[async_trait]
    impl IdempotencyStore for PanicsOnce {
        async fn claim(
            &self,
            key: &IdempotencyKey,
            lease: Duration,
        ) -> Result<Claim, ServiceError> {
            assert!(self.panicked.swap(true, Ordering::Relaxed), "out of luck");
            self.store.claim(key, lease).await
        }

        async fn confirm(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
            self.store.confirm(key, claim).await
        }

        async fn release(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
            self.store.release(key, claim).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_panics_does_not_stop_the_key() {
        let mut pipeline = pipeline(async |_| Ok(()));
        Arc::get_mut(&mut pipeline).unwrap().idempotency = Some(Arc::new(PanicsOnce::default()));
        let partition = Partition::new(Arc::default());
        partition.submit(
            (0..2).map(|offset| record(7, offset)),
            &pipeline,
            &Handle::current(),
        );
        while !partition.is_idle() {
            sleep(AFTER_PANIC).await;
        }
        assert_eq!(partition.take_position(), Some(2));
    }

    #[tokio::test]
    async fn a_partition_that_lost_its_end_inside_the_window_loses_none_of_its_new_records() {
        let gate = Arc::new(Semaphore::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let state = (Arc::clone(&gate), Arc::clone(&seen));
        let pipeline = pipeline(move |event: Event<FollowCreated>| {
            let (gate, seen) = state.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                seen.lock().unwrap().push(event.metadata.event_id);
                Ok(())
            }
        });
        let partition = Partition::new(Arc::default());
        let old: Vec<_> = (5..8).map(|offset| record(7, offset)).collect();
        let new: Vec<_> = (6..9).map(|offset| record(7, offset)).collect();
        let all = old.iter().chain(&new);
        let expected: Vec<_> = all
            .map(|record| record.metadata().unwrap().event_id)
            .collect();
        partition.submit(old, &pipeline, &Handle::current());
        partition.submit(new, &pipeline, &Handle::current());
        gate.add_permits(3);
        while seen.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(partition.take_position(), Some(6), "old 6 and 7 are gone");
        gate.add_permits(3);
        idle(&partition).await;
        assert_eq!(*seen.lock().unwrap(), expected);
        assert_eq!(partition.take_position(), Some(9));
    }

    #[tokio::test]
    async fn a_partition_that_was_made_anew_is_read_from_its_start() {
        let pipeline = pipeline(async |_| Ok(()));
        let partition = Partition::new(Arc::default());
        for offset in [8, 9, 0, 1] {
            partition.submit([record(7, offset)], &pipeline, &Handle::current());
            idle(&partition).await;
            assert_eq!(partition.take_position(), Some(offset + 1));
        }
    }
}
