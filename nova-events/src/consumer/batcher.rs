use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use tokio::sync::oneshot;

use super::partition::Queued;
use super::{Outcome, Partition, Pipeline};

/// What the lanes of a partition have to be handled together, by event type.
///
/// There is no time to wait for: while a batch is in the database, the next one gathers.
#[derive(Debug, Default)]
pub(super) struct Batchers(Mutex<HashMap<&'static str, Waiting>>);

/// The groups that wait for the next batch, and whether somebody handles batches.
#[derive(Debug, Default)]
struct Waiting {
    groups: VecDeque<Group>,
    running: bool,
}

/// Records of one key, in order.
#[derive(Debug)]
pub(super) struct Group {
    records: Vec<Queued>,
    reply: oneshot::Sender<Reply>,
}

/// The records back, and what became of each; `None` for those that have to be seen through one by one.
pub(super) type Reply = (Vec<Queued>, Vec<Option<Outcome>>);

impl Batchers {
    /// Adds a group. Whether the caller has to see to it that somebody handles batches.
    pub(super) fn join(
        &self,
        event_type: &'static str,
        records: Vec<Queued>,
    ) -> (oneshot::Receiver<Reply>, bool) {
        let (reply, answer) = oneshot::channel();
        let mut all = self.lock();
        let waiting = all.entry(event_type).or_default();
        waiting.groups.push_back(Group { records, reply });
        let leads = !std::mem::replace(&mut waiting.running, true);
        (answer, leads)
    }

    /// The groups of the next batch, of at most `limit` records. None are left where it is empty, and nobody handles
    /// batches any more.
    fn take(&self, event_type: &'static str, limit: usize) -> Vec<Group> {
        let mut all = self.lock();
        let waiting = all.entry(event_type).or_default();
        let mut groups: Vec<Group> = Vec::new();
        let mut records = 0;
        while let Some(group) = waiting
            .groups
            .pop_front_if(|group| records == 0 || records + group.records.len() <= limit)
        {
            records += group.records.len();
            groups.push(group);
        }
        waiting.running = !groups.is_empty();
        groups
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handles batches of an event type until none is left. The partition counts it like a lane.
pub(super) struct BatchLane {
    pub(super) partition: Arc<Partition>,
    pub(super) event_type: &'static str,
}

impl BatchLane {
    pub(super) async fn run(self, pipeline: Arc<Pipeline>) {
        loop {
            // The lanes that were started together with the first one's are to join.
            tokio::task::yield_now().await;
            let batchers = self.partition.batchers();
            let groups = batchers.take(self.event_type, pipeline.batch_size);
            if groups.is_empty() {
                return;
            }
            let records = || groups.iter().flat_map(|group| &group.records);
            let batch: Vec<_> = records().map(|queued| &queued.record).collect();
            let stop = self.partition.stop();
            let handled = pipeline.process_batch(self.event_type, &batch, stop);
            // After a panic of the inbox each is tried by itself.
            let mut outcomes = AssertUnwindSafe(handled)
                .catch_unwind()
                .await
                .unwrap_or_else(|_panic| vec![None; batch.len()])
                .into_iter();
            for Group { records, reply } in groups {
                let of_group = outcomes.by_ref().take(records.len()).collect();
                // A lane that was cancelled wants no answer.
                let _ = reply.send((records, of_group));
            }
        }
    }
}

impl Drop for BatchLane {
    fn drop(&mut self) {
        self.partition.leave();
    }
}
