use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Backoff, ServiceError};
use nova_service::{BackgroundWorker, Shutdown, WorkerError};

use crate::health::RelayHealth;
use crate::relay::{Relay, RelaySettings};
use crate::wake_up::WakeUp;
use crate::{Outbox, OutboxDatabase, OutboxHandle, OutboxPublisher, OutboxStore};

/// The relay: publishes what is in the outbox, in order, at least once.
///
/// Run one in each process, as many as there are: they share the buckets among themselves, and take over those of one that is gone.
/// Start it with [`start`](Self::start), or hand it to a `nova_service::Supervisor`, as it is a [`BackgroundWorker`].
///
/// ```no_run
/// use std::time::Duration;
/// use nova_events::KafkaPublisher;
/// use nova_outbox::{KafkaOutboxPublisher, Outbox, OutboxProcessor, SqliteOutboxRepository};
///
/// # async fn example(pool: sqlx::SqlitePool, outbox: Outbox<sqlx::Sqlite>) -> Result<(), nova_errors::ServiceError> {
/// let producer = KafkaPublisher::builder().brokers("localhost:9092").build()?;
/// let repository = SqliteOutboxRepository::new(pool);
/// let publisher = KafkaOutboxPublisher::new(producer, "nova");
///
/// // Batch, poll interval, retries of an event.
/// let processor = OutboxProcessor::new(repository, publisher, 100, Duration::from_secs(5), 5)
///     .wake_on(&outbox);
/// let handle = processor.start();
/// // …
/// handle.shutdown(Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it promises
///
/// - **Order.** Events of one aggregate go out by rising `seq`, one at a time: the next is not sent before the last is acknowledged.
///   What order that is depends on the writers ([`Outbox`](crate::Outbox#order)).
/// - **No loss.** A row is deleted only when its event is acknowledged. What was not recorded when a relay died is published
///   again, with the same `event_id`.
/// - **A failing event holds back its own aggregate only**, with growing waits; after its retries it becomes a dead letter
///   (`outbox_dead`), with its cause, and its aggregate goes on.
/// - **An outage of the broker costs no event an attempt**: the relay waits as a whole, and tries with one event. Where only a part of it is
///   away, such as a partition without a leader, the events of that part wait on hold, without losing an attempt, and the others go out.
/// - **The long backlog of one aggregate does not hold back the others**: it is read into memory bit by bit.
/// - **Scheduled events** are moved into the outbox when they are due, each once, by the relay that owns their bucket.
///
/// # Ownership, and what a suspended relay can still do
///
/// The aggregates are divided into [64 buckets](crate::Bucket), and each bucket is leased to one relay, by the database's clock. A lease outlasts
/// the publisher's [delivery time-out](OutboxPublisher::delivery_timeout): by the time that another relay takes a bucket over, what the
/// last one sent has arrived or never will. A relay checks its own, monotonic clock before it sends, so the clocks of the relays' machines do not matter.
///
/// There is one hole that no lease can close. A relay that is suspended (a stopped process, a long pause) between that check and the send wakes up as
/// if no time had passed, and can send **copies of events that another relay has published since**, late. So can one whose whole machine
/// slept, until it renews its leases, at most two poll intervals later: the monotonic clock stands still in a sleeping machine. And so can one whose
/// database sets its clock forward. It can't do more: retries
/// and dead letters are refused under its old epoch, and deleting what was acknowledged is right whoever does it. Consumers are protected by
/// `event_id`, by which they drop what they have handled, and by the header `seq`, which rises within an aggregate: a consumer that keeps the last one
/// can drop what goes backwards.
///
/// After a crash, the buckets of the dead relay are taken over when their lease ends: after the delivery time-out and four
/// poll intervals (at least 2 s): 52 s with the defaults of Kafka and a poll interval of 5 s. A relay that is shut down gives them up at once.
///
/// # Bounds
///
/// | what | at most |
/// |---|---|
/// | events that a statement reads, deletes or moves | the batch; under a backlog up to ten times as many (10 000), as long as statements take less than 500 ms |
/// | payloads in memory | 32 MiB, and the two that exceed it |
/// | events in memory | 50 000, and what one read finds |
/// | events of an aggregate in memory | the batch |
/// | events in flight | ten batches; those that take longer than 1 s don't keep others from being read |
/// | events in memory whose hold is over | a batch |
/// | queries of an idle relay | one a poll interval |
/// | counts for the gauges | one every 5 s, and a twentieth of the time |
pub struct OutboxProcessor {
    store: Arc<dyn OutboxStore>,
    publisher: Arc<dyn OutboxPublisher>,
    batch: u32,
    poll: Duration,
    max_retries: u32,
    backoff: Backoff,
    source: String,
    wake: Option<WakeUp>,
    health: Arc<RelayHealth>,
}

impl OutboxProcessor {
    /// A relay from a repository to a publisher.
    ///
    /// - `batch`: how many events a statement reads or deletes, 1 to 10 000; it [grows](Self#bounds) under a backlog.
    /// - `poll`: how often it looks for events when nothing wakes it, 10 ms to 60 s.
    /// - `max_retries`: how often an event is tried again after its first failure, 0 to 100.
    ///
    /// A value out of its bounds is reported, as `Validation`, by [`try_build`](Self::try_build), by the handle that
    /// [`start`](Self::start) returns, or to the supervisor.
    #[must_use]
    pub fn new(
        repository: impl OutboxStore,
        publisher: impl OutboxPublisher,
        batch: u32,
        poll: Duration,
        max_retries: u32,
    ) -> Self {
        Self {
            store: Arc::new(repository),
            publisher: Arc::new(publisher),
            batch,
            poll,
            max_retries,
            backoff: Backoff::STANDARD,
            source: String::new(),
            wake: None,
            health: Arc::default(),
        }
    }

    /// Lets `outbox` and its clones wake the relay, so that it doesn't wait for the next poll. Its source becomes the label `source` of
    /// the metrics.
    #[must_use]
    pub fn wake_on<DB: OutboxDatabase>(mut self, outbox: &Outbox<DB>) -> Self {
        self.wake = Some(outbox.wake_up().clone());
        self.source = outbox.source().unwrap_or_default().to_owned();
        self
    }

    /// How long an aggregate stays on hold after a failure; by default [`Backoff::STANDARD`], 50 ms doubling to 2 s, with full jitter.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Checks the settings now.
    ///
    /// # Errors
    ///
    /// `Validation` that names the setting which is out of its bounds.
    pub fn try_build(self) -> Result<Self, ServiceError> {
        self.settings()?;
        Ok(self)
    }

    /// Runs the relay in the background, until it is shut down or the handle is dropped.
    ///
    /// It needs a tokio runtime. Where there is none, or where a setting is out of its bounds, nothing runs, and the handle
    /// says so: its [`shutdown`](OutboxHandle::shutdown) and [`health_check`](OutboxHandle::health_check) return the error.
    #[must_use = "the relay stops when its handle is dropped"]
    pub fn start(self) -> OutboxHandle {
        OutboxHandle::spawn(self)
    }

    pub(crate) fn settings(&self) -> Result<RelaySettings, ServiceError> {
        self.publisher.validate()?;
        let delivery_timeout = self.publisher.delivery_timeout();
        let settings = RelaySettings::new(
            self.batch,
            self.poll,
            self.max_retries,
            self.backoff,
            delivery_timeout,
        )?;
        Ok(RelaySettings {
            source: self.source.clone(),
            ..settings
        })
    }

    pub(crate) async fn relay(&self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let settings = self.settings()?;
        let _running = self.health.running();
        let relay = Relay::new(
            Arc::clone(&self.store),
            Arc::clone(&self.publisher),
            settings,
            Arc::clone(&self.health),
            self.wake.as_ref().map(WakeUp::subscribe),
        );
        relay.run(shutdown).await
    }

    pub(crate) fn health(&self) -> &Arc<RelayHealth> {
        &self.health
    }
}

#[async_trait]
impl BackgroundWorker for OutboxProcessor {
    fn name(&self) -> &str {
        "outbox-relay"
    }

    /// Publishes until `shutdown` is asked for, then waits for what is in flight, which takes at most the publisher's delivery
    /// time-out, and gives its buckets up.
    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        Ok(self.relay(shutdown).await?)
    }

    async fn health_check(&self) -> Result<(), ServiceError> {
        self.health.check()
    }
}

impl fmt::Debug for OutboxProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxProcessor")
            .field("batch", &self.batch)
            .field("poll", &self.poll)
            .field("max_retries", &self.max_retries)
            .finish_non_exhaustive()
    }
}
