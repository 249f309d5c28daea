use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::partition_window::{PartitionWindow, Place};
use super::{Outcome, Pipeline, Poller, Stop};
use crate::ReceivedRecord;

/// An assigned partition: its window, and a queue per key.
///
/// A key that has records has one task, a lane, which handles them one after the other; lanes of
/// different keys run side by side.
#[derive(Debug)]
pub(crate) struct Partition {
    state: Mutex<State>,
    stop: Stop,
    poller: Arc<Poller>,
}

#[derive(Debug, Default)]
struct State {
    window: PartitionWindow,
    lanes: HashMap<LaneKey, VecDeque<Queued>>,
    running: usize,
    stored: Option<i64>,
}

/// A record that waits for its turn, and its place in the window.
type Queued = (ReceivedRecord, Place);

/// Records without a key have no order among them: each gets a lane of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LaneKey {
    Key(Bytes),
    Alone(i64),
}

/// How much a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// The records at or behind the first one that is not done.
    pub(crate) window: usize,
    /// The bytes in flight of all partitions.
    pub(crate) bytes: usize,
}

impl Partition {
    pub(crate) fn new(poller: Arc<Poller>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            stop: Stop::default(),
            poller,
        })
    }

    /// Queues a record behind those of its key. One that was read before, or comes after draining began, is left out.
    pub(crate) fn submit(
        self: &Arc<Self>,
        record: ReceivedRecord,
        pipeline: &Arc<Pipeline>,
        runtime: &Handle,
    ) {
        let key = match record.record().key() {
            Some(key) => LaneKey::Key(key.clone()),
            None => LaneKey::Alone(record.offset()),
        };
        let mut state = self.lock();
        let (offset, written) = (record.offset(), record.timestamp());
        if self.stop.is_draining() {
            return;
        }
        if state.window.is_behind(offset) {
            tracing::warn!(
                topic = %record.record().topic(),
                partition = record.partition(),
                offset,
                "the partition was truncated or made anew; it is read again from here"
            );
            state.window.rewind();
        }
        let Some(place) = state.window.accept(offset, written) else {
            return;
        };
        self.poller.add_bytes(record.record().size());
        match state.lanes.entry(key) {
            Entry::Occupied(mut lane) => lane.get_mut().push_back((record, place)),
            Entry::Vacant(vacant) => {
                let key = vacant.key().clone();
                vacant.insert(VecDeque::new());
                state.running += 1;
                drop(state);
                let lane = Lane {
                    partition: Arc::clone(self),
                    key,
                };
                runtime.spawn(lane.run((record, place), Arc::clone(pipeline)));
            }
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
        if position == state.stored {
            return None;
        }
        state.stored = position;
        position
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

    fn complete(&self, (record, place): &Queued) {
        self.lock().window.complete(*place);
        self.poller.remove_bytes(record.record().size());
        self.poller.wake();
    }

    /// The next record of a key. The lane ends where there is none.
    fn next(&self, key: &LaneKey) -> Option<Queued> {
        let mut state = self.lock();
        if self.stop.is_draining() {
            return None;
        }
        let next = state.lanes.get_mut(key).and_then(VecDeque::pop_front);
        if next.is_none() {
            state.lanes.remove(key);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let left = state.lanes.values().flatten();
        let bytes = left.map(|(record, _)| record.record().size()).sum();
        self.poller.remove_bytes(bytes);
    }
}

/// The wait after a panic outside of a handler.
const AFTER_PANIC: Duration = Duration::from_secs(1);

struct Lane {
    partition: Arc<Partition>,
    key: LaneKey,
}

impl Lane {
    async fn run(self, first: Queued, pipeline: Arc<Pipeline>) {
        let mut next = Some(first);
        while let Some(queued) = next {
            let (partition, record) = (&self.partition, &queued.0);
            if self.process(record, &pipeline).await.is_none() {
                // Given up undone: it comes again, and its bytes are free.
                partition.poller.remove_bytes(record.record().size());
                return;
            }
            partition.complete(&queued);
            next = partition.next(&self.key);
        }
    }

    /// A store or a publisher that panics must not end the lane: its key would stand still without a word.
    async fn process(&self, record: &ReceivedRecord, pipeline: &Pipeline) -> Option<Outcome> {
        let stop = self.partition.stop();
        loop {
            // What the attempt held is dropped by the unwinding, and nobody polls it again.
            if let Ok(outcome) = AssertUnwindSafe(pipeline.process(record, stop))
                .catch_unwind()
                .await
            {
                return outcome;
            }
            tracing::error!(
                group = %pipeline.group,
                offset = record.offset(),
                "the idempotency store or the dead letters' publisher panicked; the record is tried again"
            );
            stop.until_drain(sleep(AFTER_PANIC)).await?;
        }
    }
}

impl Drop for Lane {
    /// In `drop`, so that a runtime that goes away under its tasks lets nobody wait for them.
    fn drop(&mut self) {
        self.partition.lock().running -= 1;
        self.partition.poller.wake();
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
    use crate::consumer::{Routes, TypedHandler};
    use crate::social::FollowCreated;
    use crate::{
        Claim, ClaimId, Event, EventRecord, IdempotencyKey, IdempotencyStore, MemoryIdempotency,
        NewEvent,
    };

    fn pipeline<F, Fut>(handler: F) -> Arc<Pipeline>
    where
        F: Fn(Event<FollowCreated>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let mut routes = Routes::default();
        let handler = TypedHandler::<FollowCreated, F>::new(handler);
        routes.add::<FollowCreated>(handler).unwrap();
        Arc::new(Pipeline {
            group: "group".parse().unwrap(),
            routes,
            retry: RetryPolicy::never(),
            handler_timeout: Duration::from_secs(3600),
            idempotency: None,
            dead_letters: None,
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
        for offset in 0..3 {
            partition.submit(record(7, offset), &pipeline, &runtime);
        }
        while pipeline.permits.available_permits() == 8 {
            tokio::task::yield_now().await;
        }
        partition.stop().drain();
        gate.add_permits(3);
        idle(&partition).await;
        assert_eq!(partition.take_position(), Some(1));
        assert_eq!(partition.take_position(), None, "it did not move");
        partition.submit(record(8, 3), &pipeline, &runtime);
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
            partition.submit(record, &pipeline, &Handle::current());
        }
        assert!(poller.bytes() > 0);
        partition.stop().cancel();
        idle(&partition).await;
        assert_eq!(partition.take_position(), None);
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
        for offset in 0..2 {
            partition.submit(record(7, offset), &pipeline, &Handle::current());
        }
        while !partition.is_idle() {
            sleep(AFTER_PANIC).await;
        }
        assert_eq!(partition.take_position(), Some(2));
    }

    #[tokio::test]
    async fn a_record_that_is_read_twice_is_handled_once() {
        let pipeline = pipeline(async |_| Ok(()));
        let partition = Partition::new(Arc::default());
        for _ in 0..2 {
            partition.submit(record(7, 5), &pipeline, &Handle::current());
        }
        assert_eq!(partition.load().window, 1);
        idle(&partition).await;
        assert_eq!(partition.take_position(), Some(6));
    }

    #[tokio::test]
    async fn a_partition_that_was_made_anew_is_read_from_its_start() {
        let pipeline = pipeline(async |_| Ok(()));
        let partition = Partition::new(Arc::default());
        for offset in [8, 9, 0, 1] {
            partition.submit(record(7, offset), &pipeline, &Handle::current());
            idle(&partition).await;
            assert_eq!(partition.take_position(), Some(offset + 1));
        }
    }
}
