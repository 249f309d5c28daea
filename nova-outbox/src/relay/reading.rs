//! What is read, when, and what is made of it.

use std::time::Duration;

use tokio::time::Instant;

use super::lanes::{Admission, Queued};
use super::{Relay, operation};
use crate::{Bucket, Moved, ReadBatch, Release, StoredEvent, Tenancy};

/// The payloads in memory above which nothing more is read: 32 MiB, which the last event that is read can exceed.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The events in memory above which nothing more is read.
const MAX_EVENTS: usize = 50_000;

/// How many aggregates of a bucket may have more to publish than is kept in memory, before nothing more is read of it.
const MAX_FULL_LANES: usize = 16;

/// How many batches may be in flight.
pub(super) const MAX_BATCHES_IN_FLIGHT: usize = 10;

/// A read that passes over the backlog of some aggregates, and takes longer than this, is not repeated at once.
const DEEP: Duration = Duration::from_millis(20);

/// The least time between two looks at what is scheduled, where what is due could not be moved.
const SCHEDULE_GAP: Duration = Duration::from_millis(50);

impl Relay {
    /// How many events a lane holds at most: what its aggregate has beyond that is left in the outbox for now, and keeps no memory
    /// from the others.
    fn lane_limit(&self) -> usize {
        self.settings.batch_len()
    }

    /// Whether more of a bucket is to be read into memory.
    fn has_room(&self, bucket: Bucket, now: Instant) -> bool {
        let full = self.lanes.full(bucket);
        let rests = full > 0 && self.deep_read_at.is_some_and(|at| now < at);
        !rests
            && full < MAX_FULL_LANES
            && self.lanes.count(bucket) < self.batch.len() + full * self.lane_limit()
    }

    pub(super) fn may_read(&self, now: Instant) -> bool {
        let batch = self.batch.len();
        !self.stopping
            && self.flight.recent() + self.lanes.ready() < batch
            && self.in_flight.len() < batch * MAX_BATCHES_IN_FLIGHT
            && self.lanes.bytes() < MAX_BYTES
            && self.lanes.len() < MAX_EVENTS
            && self.broker.permits(now) > 0
            && self
                .territory
                .is_unread(|bucket| self.has_room(bucket, now))
    }

    pub(super) fn start_read(&mut self, now: Instant) {
        let mut territory = std::mem::take(&mut self.territory);
        let buckets = territory.begin_read(|bucket| self.has_room(bucket, now));
        self.territory = territory;
        let due_limit = self.batch.len().saturating_sub(self.lanes.retries());
        if due_limit == 0 {
            self.due_waits = true;
        }
        let asked = operation::Asked {
            known: self.lanes.known(&buckets),
            skip: self.lanes.full_names(&buckets),
            limit: self.batch.limit(),
            due_limit: u32::try_from(due_limit).unwrap_or(u32::MAX),
            // What is due has bounds of its own.
            max_bytes: (MAX_BYTES - self.lanes.bytes().min(MAX_BYTES - 1)).div_ceil(2),
            buckets,
        };
        self.start(operation::read(asked, now));
    }

    pub(super) fn read(
        &mut self,
        asked: &operation::Asked,
        batch: ReadBatch,
        took: Duration,
        now: Instant,
    ) {
        let buckets = asked.buckets.as_slice();
        if batch.truncated
            && let Some(last) = batch.events.last()
        {
            self.territory.end_full_read(buckets, last.key.bucket);
        }
        if !asked.skip.is_empty() && took > DEEP {
            self.deep_read_at = Some(now + took * 4);
        }
        if self.stopping {
            return;
        }
        let mut due = 0;
        for row in batch.due {
            due += usize::from(self.admit(row, true, now));
        }
        if batch.due_truncated {
            // Those that are in memory make room for the others one day; until then the same would be found again.
            self.due_waits = true;
            if due > 0 && self.lanes.retries() < self.batch.len() {
                self.territory.read_again(buckets);
            }
        }
        let mut found = 0;
        for row in batch.events {
            found += usize::from(self.admit(row, false, now));
        }
        self.batch.read(found, took);
        for key in batch.orphans {
            if let Some(epoch) = self.territory.epoch(key.bucket)
                && self.lanes.reserve(key)
            {
                self.outcomes.released.push(Release { key, epoch });
            }
        }
    }

    fn admit(&mut self, row: StoredEvent, retry: bool, now: Instant) -> bool {
        // A bucket can be lost, or begin to drain, while it is read.
        if !self.territory.publishes(row.key.bucket) {
            return false;
        }
        let limit = self.lane_limit();
        let (aggregate, queued) = Queued::new(row, retry, now);
        self.lanes.admit(aggregate, queued, limit) == Admission::Queued
    }

    /// Reads what is due where there is room for it again.
    pub(super) fn make_room_for_due(&mut self) {
        if self.due_waits && self.lanes.retries() <= self.batch.len() / 2 {
            self.due_waits = false;
            self.territory.mark_unread();
        }
    }

    /// Takes note of when the next scheduled event is due.
    pub(super) fn scheduled(&mut self, tenancy: &Tenancy, now: Instant) {
        self.move_at = tenancy.next_due.map(|wait| now + wait);
    }

    pub(super) fn start_move(&mut self) {
        self.move_at = None;
        let buckets = self.territory.buckets();
        let limit = self.batch.limit();
        self.start(operation::move_due(self.id, buckets, limit));
    }

    pub(super) fn moved(&mut self, moved: Moved, limit: u32, now: Instant) {
        let next = match moved.next {
            Some(wait) if moved.events >= u64::from(limit) => Some(wait),
            Some(wait) => Some(wait.max(SCHEDULE_GAP)),
            None => None,
        };
        self.move_within(next, now);
        if moved.events > 0 {
            self.territory.mark_unread();
        }
    }

    /// Looks at what is scheduled within `wait`, or earlier if it was to be.
    pub(super) fn move_within(&mut self, wait: Option<Duration>, now: Instant) {
        let at = wait.map(|wait| now + wait);
        self.move_at = self.move_at.into_iter().chain(at).min();
    }
}
