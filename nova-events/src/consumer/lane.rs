use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use tokio::time::sleep;

use super::partition::Queued;
use super::{Outcome, Partition, Pipeline};
use crate::ReceivedRecord;

/// The records of a key, handled one after the other by one task.
///
/// A partition counts its lanes, from when they are made until they are dropped.
pub(super) struct Lane {
    partition: Arc<Partition>,
    key: LaneKey,
}

/// Records without a key have no order among them: each gets a lane of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    Key(Bytes),
    Alone(i64),
}

/// The wait after a panic outside of a handler.
pub(super) const AFTER_PANIC: Duration = Duration::from_secs(1);

impl LaneKey {
    pub(super) fn of(record: &ReceivedRecord) -> Self {
        match record.record().key() {
            Some(key) => Self::Key(key.clone()),
            None => Self::Alone(record.offset()),
        }
    }
}

impl Lane {
    pub(super) const fn new(partition: Arc<Partition>, key: LaneKey) -> Self {
        Self { partition, key }
    }

    pub(super) async fn run(self, first: Queued, pipeline: Arc<Pipeline>) {
        let mut next = Some(first);
        while let Some(queued) = next {
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            if let Some(route) = pipeline.batch_route(&queued.record) {
                let event_type = route.event_type;
                let group = Box::pin(self.run_group(queued, event_type, &pipeline));
                if group.await.is_none() {
                    return;
                }
                next = self.partition.next(&self.key);
                continue;
            }
            if self.see_through(&queued, &pipeline).await.is_none() {
                self.partition.free(&queued);
                return;
            }
            next = self.partition.complete_and_next(&queued, &self.key);
        }
    }

    /// Records of one event type that follow each other join a batch, together.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    async fn run_group(
        &self,
        first: Queued,
        event_type: &'static str,
        pipeline: &Arc<Pipeline>,
    ) -> Option<()> {
        let mut group = vec![first];
        self.partition
            .next_while(&self.key, &mut group, pipeline.batch_size, |record| {
                let route = pipeline.batch_route(record);
                route.is_some_and(|route| route.event_type == event_type)
            });
        let (group, outcomes) = self.partition.batch(event_type, group, pipeline).await?;
        let mut settled = group.iter().zip(outcomes);
        for (queued, outcome) in settled.by_ref() {
            let outcome = match outcome {
                Some(outcome) => Some(outcome),
                None => self.see_through(queued, pipeline).await,
            };
            if outcome.is_none() {
                self.partition.free(queued);
                for (queued, _) in settled {
                    self.partition.free(queued);
                }
                return None;
            }
            self.partition.complete(queued);
        }
        Some(())
    }

    /// A store or a publisher that panics must not end the lane: its key would stand still without a word.
    async fn see_through(&self, queued: &Queued, pipeline: &Pipeline) -> Option<Outcome> {
        let stop = self.partition.stop();
        let record = &queued.record;
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
        self.partition.leave();
    }
}
