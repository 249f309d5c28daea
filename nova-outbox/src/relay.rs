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
mod batch_size;
mod broker;
mod flight;
mod gauges;
mod lanes;
mod operation;
mod publication;
mod reading;
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

use self::batch_size::BatchSize;
use self::broker::Broker;
use self::flight::Flight;
use self::gauges::Gauges;
use self::lanes::Lanes;
use self::operation::Operation;
use self::publication::Publication;
use self::reading::MAX_BATCHES_IN_FLIGHT;
use self::territory::Territory;
use crate::health::RelayHealth;
use crate::wake_up::{Ladder, Waker, Woken};
use crate::{Bucket, OutboxPublisher, OutboxStats, OutboxStore, Outcomes, RelayId, Tenancy};

pub(crate) use self::settings::RelaySettings;

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
    batch: BatchSize,
    in_flight: FuturesUnordered<BoxFuture<'static, Publication>>,
    flight: Flight,
    outcomes: Outcomes,
    operation: Option<BoxFuture<'static, Operation>>,
    count: Option<BoxFuture<'static, (Duration, Result<OutboxStats, ServiceError>)>>,

    ladder: Ladder,
    holds: BinaryHeap<Reverse<(Instant, Bucket)>>,
    poll_at: Instant,
    renew_at: Instant,
    count_at: Instant,
    /// When to move what is scheduled.
    move_at: Option<Instant>,
    /// Something was scheduled in a transaction that may still be open.
    schedules: bool,
    /// Whether the last operation moved what is scheduled.
    moved_last: bool,
    /// Until when not to read buckets with a full lane.
    deep_read_at: Option<Instant>,
    /// Whether there is more that is due than was read.
    due_waits: bool,
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
            batch: BatchSize::new(settings.batch),
            store,
            publisher,
            settings,
            health,
            waker,
            territory: Territory::default(),
            lanes: Lanes::default(),
            broker: Broker::default(),
            in_flight: FuturesUnordered::new(),
            flight: Flight::default(),
            outcomes: Outcomes::default(),
            operation: None,
            count: None,
            ladder: Ladder::default(),
            holds: BinaryHeap::new(),
            poll_at: now,
            renew_at: now,
            count_at: now,
            move_at: None,
            schedules: false,
            moved_last: false,
            deep_read_at: None,
            due_waits: false,
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
                    self.wake(woken, Instant::now());
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

    fn wake(&mut self, woken: Woken, now: Instant) {
        self.schedules |= woken.scheduled;
        if woken.committed || woken.notified {
            self.territory.mark_unread();
        }
        if woken.committed && std::mem::take(&mut self.schedules) {
            self.move_within(Some(Duration::ZERO), now);
        }
        if woken.enqueued || woken.scheduled {
            self.ladder.start(now);
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        self.flight.pass(now);
        if self.deep_read_at.is_some_and(|at| at <= now) {
            self.deep_read_at = None;
        }
        if self.ladder.is_due(now) {
            self.territory.mark_unread();
            if self.schedules {
                self.schedules = self.ladder.next().is_some();
                self.move_within(Some(Duration::ZERO), now);
            }
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
        while self.may_send(now) {
            let Some((aggregate, queued)) = self.lanes.take_ready() else {
                break;
            };
            match queued.event.clone() {
                Ok(event) => {
                    let publisher = Arc::clone(&self.publisher);
                    self.flight.sent(queued.key.seq, now);
                    let sent = publication::publish(publisher, aggregate, queued, event, now);
                    self.in_flight.push(sent.boxed());
                }
                Err(error) => self.fail(&aggregate, &queued, &error, u32::MAX, now),
            }
        }
    }

    /// While the broker is away one event tries. Those that have been in flight for long may be waiting for a part of it only, and don't keep
    /// another one from trying.
    fn may_send(&self, now: Instant) -> bool {
        let most = self.batch.len() * MAX_BATCHES_IN_FLIGHT;
        self.in_flight.len() < most && self.flight.recent() < self.broker.permits(now)
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
        } else if self.outcomes.len() >= self.batch.len() {
            self.start_settle();
        } else if !self.moved_last && self.may_move(now) {
            self.moved_last = true;
            self.start_move();
        } else if self.may_read(now) {
            self.moved_last = false;
            self.start_read(now);
        } else if self.may_move(now) {
            self.start_move();
        } else if self.must_settle(now) {
            self.start_settle();
        }
    }

    fn may_move(&self, now: Instant) -> bool {
        !self.stopping && self.move_at.is_some_and(|at| at <= now)
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
        let outcome = match done {
            Operation::Renewed { asked_at, tenancy } => {
                // It says whether anything is there, as a poll does.
                self.poll_at = now + self.settings.poll;
                tenancy.map(|tenancy| self.renewed(&tenancy, asked_at, now))
            }
            Operation::Released { leases, result } => {
                result.map(|()| self.territory.released(&leases))
            }
            Operation::Read { asked, took, batch } => match batch {
                Ok(batch) => {
                    if self.territory.is_all(&asked.buckets) {
                        self.poll_at = now + self.settings.poll;
                    }
                    self.read(&asked, batch, took, now);
                    Ok(())
                }
                Err(error) => {
                    self.territory.read_again(&asked.buckets);
                    Err(error)
                }
            },
            Operation::Moved { limit, moved } => match moved {
                Ok(moved) => {
                    self.moved(moved, limit, now);
                    Ok(())
                }
                Err(error) => {
                    self.move_within(Some(Duration::ZERO), now);
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
        self.scheduled(tenancy, now);
    }

    /// When to look again. `now` is when this turn began: what falls due during the turn is not over, but due at once.
    fn next_timer(&self, now: Instant) -> Instant {
        let waits_for_store = self.store_retry_at.filter(|at| *at > now);
        let resume = self.broker.next_try().filter(|at| *at > now);
        let is_idle = self.operation.is_none() && waits_for_store.is_none();
        let timers = [
            Some(self.poll_at),
            Some(self.renew_at).filter(|_| is_idle),
            self.move_at.filter(|_| is_idle),
            self.deep_read_at,
            self.flight.next(),
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

async fn woken(waker: &mut Option<Waker>) -> Woken {
    match waker {
        Some(waker) => waker.woken().await,
        None => std::future::pending().await,
    }
}
