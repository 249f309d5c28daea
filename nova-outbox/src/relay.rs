//! The relay: one task that owns all its state, reads, publishes and settles.
//!
//! What order and safety rest on:
//!
//! - A read is one snapshot, from the start of each bucket, of all that is not in memory: where an event is visible, the earlier ones of its
//!   aggregate are visible too, and are read before it.
//! - At most one operation on the store is under way, besides the count for the gauges. So the rows in memory, the holds
//!   and the leases don't change under a read.
//! - A row stays in memory until its outcome is recorded, and a [lane](lanes::Lanes) lets one event out at a time.
//! - Nothing goes out that could still be on its way when the lease ends.

mod aggregate;
mod broker;
mod gauges;
mod lanes;
mod operation;
mod publication;
mod settings;
mod settling;
mod territory;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use nova_errors::{Backoff, Chain, ServiceError};
use nova_service::Shutdown;
use tokio::time::Instant;

use self::broker::Broker;
use self::gauges::Gauges;
use self::lanes::{Lanes, Queued};
use self::operation::Operation;
use self::publication::Publication;
use self::territory::Territory;
use crate::health::RelayHealth;
use crate::wake_up::{Ladder, Waker};
use crate::{
    Bucket, OutboxPublisher, OutboxStats, OutboxStore, Outcomes, ReadBatch, RelayId, Release,
    StoredEvent, Tenancy,
};

pub(crate) use self::settings::RelaySettings;

/// The payloads in memory above which nothing more is read: 32 MiB, which one more read can exceed.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// How long a count may take, which looks at every pending row.
const COUNT_LIMIT: Duration = Duration::from_secs(5 * 60);

/// How many failures of the store a relay that is to stop puts up with.
const STOP_FAILURES: u32 = 3;

/// A relay that runs: see [`OutboxProcessor`](crate::OutboxProcessor).
pub(crate) struct Relay {
    id: RelayId,
    store: Arc<dyn OutboxStore>,
    publisher: Arc<dyn OutboxPublisher>,
    settings: RelaySettings,
    health: Arc<RelayHealth>,
    gauges: Gauges,
    waker: Option<Waker>,

    territory: Territory,
    lanes: Lanes,
    broker: Broker,
    in_flight: FuturesUnordered<BoxFuture<'static, Publication>>,
    outcomes: Outcomes,
    operation: Option<BoxFuture<'static, Operation>>,
    count: Option<BoxFuture<'static, (Duration, Result<OutboxStats, ServiceError>)>>,

    ladder: Ladder,
    holds: BinaryHeap<Reverse<(Instant, Bucket)>>,
    poll_at: Instant,
    renew_at: Instant,
    count_at: Instant,
    settle_at: Option<Instant>,
    store_failures: u32,
    store_retry_at: Option<Instant>,
    stopping: bool,
}

impl Relay {
    pub(crate) fn new(
        store: Arc<dyn OutboxStore>,
        publisher: Arc<dyn OutboxPublisher>,
        settings: RelaySettings,
        health: Arc<RelayHealth>,
        waker: Option<Waker>,
    ) -> Self {
        let now = Instant::now();
        Self {
            id: RelayId::new(),
            gauges: Gauges::new(settings.source.clone()),
            store,
            publisher,
            settings,
            health,
            waker,
            territory: Territory::default(),
            lanes: Lanes::default(),
            broker: Broker::default(),
            in_flight: FuturesUnordered::new(),
            outcomes: Outcomes::default(),
            operation: None,
            count: None,
            ladder: Ladder::default(),
            holds: BinaryHeap::new(),
            poll_at: now,
            renew_at: now,
            count_at: now,
            settle_at: None,
            store_failures: 0,
            store_retry_at: None,
            stopping: false,
        }
    }

    /// Runs until `shutdown` is asked for, then finishes what is on its way and gives its buckets up.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), ServiceError> {
        tracing::debug!(relay = %self.id, "outbox relay starts");
        loop {
            let now = Instant::now();
            self.fire_timers(now);
            self.dispatch(now);
            self.start_operation(now);
            // An idle relay counts in place of a poll.
            if self.count_at <= now && self.count.is_none() && !self.lanes.is_empty() {
                self.start_count(now);
            }
            if self.stopping {
                if self.is_drained() {
                    return operation::limited(self.store.leave(self.id)).await;
                }
                if self.store_failures >= STOP_FAILURES {
                    return Err(ServiceError::ServiceUnavailable(
                        "outbox relay stops without its database".into(),
                    ));
                }
            }
            let next = self.next_timer(now);
            tokio::select! {
                biased;
                () = shutdown.requested(), if !self.stopping => self.stop(),
                done = resolved(&mut self.operation) => {
                    self.operation = None;
                    self.complete(done, Instant::now());
                }
                (took, stats) = resolved(&mut self.count) => {
                    self.count = None;
                    self.counted(took, stats, Instant::now());
                }
                Some(publication) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    let now = Instant::now();
                    self.published(publication, now);
                    while let Some(Some(publication)) = self.in_flight.next().now_or_never() {
                        self.published(publication, now);
                    }
                }
                woken = woken(&mut self.waker), if !self.stopping => {
                    if woken.committed {
                        self.territory.mark_unread();
                    }
                    if woken.enqueued {
                        self.ladder.start(Instant::now());
                    }
                }
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.lanes.abandon(|_| true);
    }

    fn is_drained(&self) -> bool {
        self.in_flight.is_empty() && self.outcomes.is_empty() && self.operation.is_none()
    }

    fn fire_timers(&mut self, now: Instant) {
        if self.ladder.is_due(now) {
            self.territory.mark_unread();
        }
        while let Some(Reverse((at, bucket))) = self.holds.peek().copied()
            && at <= now
        {
            self.holds.pop();
            self.territory.mark_bucket_unread(bucket);
        }
        if self.poll_at <= now {
            self.poll(now);
        }
    }

    /// The fall-back when nothing woke the relay: one statement, whichever is due. Each of them says whether there is
    /// something to read.
    fn poll(&mut self, now: Instant) {
        self.poll_at = now + self.settings.poll;
        if self.renew_at <= now + self.settings.poll / 2 || self.territory.wants_more() {
            self.renew_at = now;
        } else if self.count_at <= now && self.count.is_none() {
            self.start_count(now);
        } else {
            self.territory.mark_unread();
        }
    }

    /// Lets out what may go out.
    fn dispatch(&mut self, now: Instant) {
        if self.stopping
            || !self
                .territory
                .holds_until(now + self.publisher.delivery_timeout())
        {
            return;
        }
        while self.in_flight.len() < self.broker.permits(now) {
            let Some((aggregate, queued)) = self.lanes.take_ready() else {
                break;
            };
            match queued.event.clone() {
                Ok(event) => {
                    let publisher = Arc::clone(&self.publisher);
                    let sent = publication::publish(publisher, aggregate, queued, event);
                    self.in_flight.push(sent.boxed());
                }
                Err(error) => self.fail(&aggregate, &queued, &error, u32::MAX, now),
            }
        }
    }

    fn start_operation(&mut self, now: Instant) {
        if self.operation.is_some() || self.store_retry_at.is_some_and(|at| now < at) {
            return;
        }
        if !self.stopping && self.renew_at <= now {
            self.start(operation::renew(self.id, self.settings.lease, now));
            return;
        }
        let lanes = &self.lanes;
        let leases = self.territory.give_up(|bucket| lanes.count(bucket) == 0);
        if !leases.is_empty() {
            self.start(operation::release(self.id, leases));
        } else if self.outcomes.len() >= self.settings.batch_len() {
            self.start_settle();
        } else if self.may_read(now) {
            self.start_read();
        } else if self.must_settle(now) {
            self.start_settle();
        }
    }

    fn may_read(&self, now: Instant) -> bool {
        let batch = self.settings.batch_len();
        !self.stopping
            && self.in_flight.len() + self.lanes.ready() < batch
            && self.lanes.bytes() < MAX_BYTES
            && self.broker.permits(now) > 0
            && self
                .territory
                .is_unread(|bucket| self.lanes.count(bucket) < batch)
    }

    fn must_settle(&self, now: Instant) -> bool {
        !self.outcomes.is_empty()
            && (self.in_flight.is_empty() || self.settle_at.is_none_or(|at| at <= now))
    }

    fn start(
        &mut self,
        operation: impl FnOnce(Arc<dyn OutboxStore>) -> BoxFuture<'static, Operation>,
    ) {
        self.operation = Some(operation(Arc::clone(&self.store)));
    }

    fn start_read(&mut self) {
        let (lanes, batch) = (&self.lanes, self.settings.batch_len());
        let has_room = |bucket| lanes.count(bucket) < batch;
        let buckets = self.territory.begin_read(has_room);
        let known = lanes.known(&buckets);
        self.start(operation::read(buckets, known, self.settings.batch));
    }

    fn start_settle(&mut self) {
        self.settle_at = None;
        let outcomes = std::mem::take(&mut self.outcomes);
        self.start(operation::settle(self.id, outcomes));
    }

    fn start_count(&mut self, now: Instant) {
        self.count_at = now + Gauges::INTERVAL;
        let store = Arc::clone(&self.store);
        let buckets = self.territory.buckets();
        self.count = Some(
            async move {
                let began = Instant::now();
                let stats = operation::limited_to(COUNT_LIMIT, store.stats(&buckets)).await;
                (began.elapsed(), stats)
            }
            .boxed(),
        );
    }

    fn counted(&mut self, took: Duration, stats: Result<OutboxStats, ServiceError>, now: Instant) {
        // A count of a deep outbox takes a while: it is to cost a twentieth of the time at most.
        self.count_at = now + Gauges::INTERVAL.max(took * 20);
        match stats {
            Ok(stats) => {
                self.gauges.set(&stats);
                if stats.pending > 0 {
                    self.territory.mark_unread();
                }
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "cannot count the outbox"),
        }
    }

    fn complete(&mut self, done: Operation, now: Instant) {
        self.poll_at = now + self.settings.poll;
        let outcome = match done {
            Operation::Renewed { asked_at, tenancy } => {
                tenancy.map(|tenancy| self.renewed(&tenancy, asked_at, now))
            }
            Operation::Released { leases, result } => {
                result.map(|()| self.territory.released(&leases))
            }
            Operation::Read { buckets, batch } => match batch {
                Ok(batch) => {
                    self.read(&buckets, batch, now);
                    Ok(())
                }
                Err(error) => {
                    self.territory.read_again(&buckets);
                    Err(error)
                }
            },
            Operation::Settled { outcomes, settled } => match settled {
                Ok(settled) => {
                    self.settled(&outcomes, &settled, now);
                    Ok(())
                }
                Err(error) => {
                    self.keep(outcomes);
                    Err(error)
                }
            },
        };
        match outcome {
            Ok(()) => {
                self.store_failures = 0;
                self.store_retry_at = None;
                self.health.store_answers(true);
            }
            Err(error) => self.store_failed(&error, now),
        }
    }

    fn store_failed(&mut self, error: &ServiceError, now: Instant) {
        self.store_failures = self.store_failures.saturating_add(1);
        let wait = Backoff::STANDARD.delay(self.store_failures, fastrand::u64(..));
        self.store_retry_at = Some(now + wait);
        self.health.store_answers(false);
        tracing::warn!(
            error = %Chain(error), failures = self.store_failures, "outbox relay cannot use its database"
        );
    }

    fn renewed(&mut self, tenancy: &Tenancy, asked_at: Instant, now: Instant) {
        // A database whose renewals take as long as their interval is to get other work too.
        self.renew_at = (asked_at + self.settings.renew).max(now + self.settings.renew / 2);
        let lost = self
            .territory
            .update(tenancy, asked_at + self.settings.lease);
        let shed = self.territory.shed();
        if !lost.is_empty() || !shed.is_empty() {
            tracing::info!(relay = %self.id, lost = lost.len(), shed = shed.len(), "buckets change hands");
            self.lanes
                .abandon(|bucket| lost.contains(&bucket) || shed.contains(&bucket));
        }
        if tenancy.pending {
            self.territory.mark_unread();
        }
    }

    fn read(&mut self, buckets: &[Bucket], batch: ReadBatch, now: Instant) {
        if batch.events.len() >= self.settings.batch_len()
            && let Some(last) = batch.events.last()
        {
            self.territory.end_full_read(buckets, last.key.bucket);
        }
        if self.stopping {
            return;
        }
        let more_due = batch.due.len() >= self.settings.batch_len();
        for row in batch.due {
            if self.admit(row, true, now) && more_due {
                self.territory.read_again(buckets);
            }
        }
        for row in batch.events {
            self.admit(row, false, now);
        }
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
        let (aggregate, queued) = Queued::new(row, retry, now);
        self.lanes.admit(aggregate, queued)
    }

    /// When to look again. `now` is when this turn began: what falls due during the turn is not over, but due at once.
    fn next_timer(&self, now: Instant) -> Instant {
        let waits_for_store = self.store_retry_at.filter(|at| *at > now);
        let resume = self.broker.next_try().filter(|at| *at > now);
        let timers = [
            Some(self.poll_at),
            Some(self.renew_at).filter(|_| self.operation.is_none() && waits_for_store.is_none()),
            self.ladder.next(),
            self.holds.peek().map(|Reverse((at, _))| *at),
            self.settle_at.filter(|at| *at > now),
            waits_for_store,
            resume,
        ];
        let next = timers.into_iter().flatten().min().unwrap_or(self.poll_at);
        if self.stopping {
            waits_for_store.unwrap_or(self.poll_at)
        } else {
            next
        }
    }
}

/// Waits for what is under way; for ever where nothing is.
async fn resolved<T>(operation: &mut Option<BoxFuture<'static, T>>) -> T {
    match operation {
        Some(operation) => operation.await,
        None => std::future::pending().await,
    }
}

async fn woken(waker: &mut Option<Waker>) -> crate::wake_up::Woken {
    match waker {
        Some(waker) => waker.woken().await,
        None => std::future::pending().await,
    }
}
