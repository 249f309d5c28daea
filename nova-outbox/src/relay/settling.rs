//! What becomes of events: from the publisher's answer to the record of it.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use nova_errors::{Chain, ServiceError};
use tokio::time::Instant;

use super::Relay;
use super::aggregate::Aggregate;
use super::broker::Broker;
use super::lanes::Queued;
use super::publication::Publication;
use crate::{EventKey, Failure, Outcomes, Release, Settled};

/// How long an outcome waits for company before it is recorded.
const SETTLE_LINGER: Duration = Duration::from_millis(20);

impl Relay {
    pub(super) fn published(&mut self, publication: Publication, now: Instant) {
        let Publication {
            aggregate,
            queued,
            sent_at,
            result,
        } = publication;
        self.flight.landed(queued.key.seq);
        match result {
            Ok(()) => {
                self.broker.answered(now);
                self.health.broker_answers(true);
                self.gauges.published(queued.age + (now - queued.read_at));
                self.linger(now);
                self.outcomes.acknowledged.push(queued.key);
                let epoch = self
                    .territory
                    .epoch(queued.key.bucket)
                    .filter(|_| queued.retry);
                if let Some(epoch) = epoch {
                    let key = queued.key;
                    self.outcomes.released.push(Release { key, epoch });
                }
                let low = self.settings.batch_len() / 2;
                let ends_hold = epoch.is_some();
                if self
                    .lanes
                    .acknowledged(&aggregate, queued.key, ends_hold, low)
                {
                    self.territory.mark_bucket_unread(queued.key.bucket);
                }
            }
            Err(error) if Broker::is_outage(&error) && self.broker.has_answered_since(sent_at) => {
                self.hold_back(&aggregate, &queued, &error, now);
            }
            Err(error) if Broker::is_outage(&error) => {
                if !self.broker.is_away() {
                    tracing::warn!(error = %Chain(&error), "outbox relay cannot reach the broker");
                }
                self.broker.failed(now, fastrand::u64(..));
                self.health.broker_answers(false);
                // In memory wait no more than a batch, so that there is room to find those that can be delivered.
                if self.lanes.tried() < self.batch.len()
                    && !self.stopping
                    && self.territory.publishes(queued.key.bucket)
                {
                    self.lanes.put_back(&aggregate);
                } else {
                    self.hold_back(&aggregate, &queued, &error, now);
                }
            }
            Err(error) => {
                let attempts = queued.attempts.saturating_add(1);
                self.fail(&aggregate, &queued, &error, attempts, now);
            }
        }
    }

    /// Notes that an event has failed by itself. Another relay that owns its bucket now finds out by itself.
    pub(super) fn fail(
        &mut self,
        aggregate: &Arc<Aggregate>,
        queued: &Queued,
        error: &ServiceError,
        attempts: u32,
        now: Instant,
    ) {
        let key = queued.key;
        let Some(epoch) = self.territory.epoch(key.bucket) else {
            self.lanes.remove(aggregate);
            return;
        };
        self.linger(now);
        self.lanes.failed(aggregate, key);
        if attempts > self.settings.max_retries {
            let made = attempts.min(queued.attempts.saturating_add(1));
            let failure = Failure::new(key, epoch, made, Duration::ZERO, error);
            self.outcomes.dead.push(failure);
        } else {
            let delay = self.settings.backoff.delay(attempts, fastrand::u64(..));
            let failure = Failure::new(key, epoch, attempts, delay, error);
            self.outcomes.held.push(failure);
        }
    }

    /// Puts an event on hold that found its part of the broker away, which costs it no attempt.
    fn hold_back(
        &mut self,
        aggregate: &Arc<Aggregate>,
        queued: &Queued,
        error: &ServiceError,
        now: Instant,
    ) {
        let key = queued.key;
        let epoch = self.territory.epoch(key.bucket);
        let Some(epoch) = epoch.filter(|_| !self.stopping && self.territory.publishes(key.bucket))
        else {
            self.lanes.remove(aggregate);
            return;
        };
        self.linger(now);
        self.lanes.failed(aggregate, key);
        let delay = Broker::wait_for_part(self.settings.backoff, fastrand::u64(..));
        let failure = Failure::new(key, epoch, queued.attempts, delay, error);
        self.outcomes.held.push(failure);
    }

    fn linger(&mut self, now: Instant) {
        self.settle_at.get_or_insert(now + SETTLE_LINGER);
    }

    pub(super) fn settled(&mut self, outcomes: &Outcomes, settled: &Settled, now: Instant) {
        for release in &outcomes.released {
            self.lanes.settled(release.key);
            self.territory.mark_bucket_unread(release.key.bucket);
            if !settled.released.contains(&release.key) {
                self.refused(release.key);
            }
        }
        for key in &outcomes.acknowledged {
            self.lanes.forget(*key);
        }
        for failure in &outcomes.held {
            let key = failure.key;
            self.lanes.settled(key);
            if settled.held.contains(&key) {
                tracing::warn!(
                    seq = key.seq, attempts = failure.attempts, delay = ?failure.delay,
                    error = failure.error_message, "event failed, its aggregate is on hold"
                );
                // The database counts in milliseconds, and from a little later on.
                let due = now + failure.delay + Duration::from_millis(2);
                self.holds.push(Reverse((due, key.bucket)));
            } else {
                self.refused(key);
            }
        }
        for failure in &outcomes.dead {
            let key = failure.key;
            self.lanes.settled(key);
            self.territory.mark_bucket_unread(key.bucket);
            if settled.dead.contains(&key) {
                tracing::error!(
                    seq = key.seq,
                    attempts = failure.attempts,
                    error = failure.error_message,
                    "event failed for good and is a dead letter"
                );
                self.gauges.buried();
            } else {
                self.refused(key);
            }
        }
        self.make_room_for_due();
    }

    /// Something was not recorded: the bucket has another owner, or the event or the hold is gone. The leases say which, before it is
    /// tried again.
    fn refused(&mut self, key: EventKey) {
        self.territory.mark_bucket_unread(key.bucket);
        self.renew_at = Instant::now();
    }

    /// Keeps outcomes whose recording failed, ahead of newer ones.
    pub(super) fn keep(&mut self, mut outcomes: Outcomes) {
        outcomes
            .acknowledged
            .append(&mut self.outcomes.acknowledged);
        outcomes.released.append(&mut self.outcomes.released);
        outcomes.held.append(&mut self.outcomes.held);
        outcomes.dead.append(&mut self.outcomes.dead);
        self.outcomes = outcomes;
    }
}
