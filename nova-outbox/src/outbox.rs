use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use nova_errors::{ServiceError, Violation};
use nova_events::NewEvent;
use nova_models::ServiceName;
use sqlx::Transaction;
use uuid::Uuid;

use crate::wake_up::WakeUp;
use crate::{IntoNewEvent, OutboxDatabase};

/// The first second of the year 10000: later times are not the same in every database.
const END_OF_TIME: i64 = 253_402_300_800;

/// Where a service puts its events: into the transaction that changes the data, so that both
/// happen or neither does.
///
/// A cheap handle: clone it freely. It holds no connection; it knows the producing service and
/// wakes the relays of this process that were told to [listen](crate::OutboxProcessor::wake_on).
///
/// ```
/// use nova_events::social::FollowCreated;
/// use nova_outbox::Outbox;
/// # use uuid::Uuid;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// nova_outbox::migrate(&pool).await?;
/// let outbox = Outbox::<sqlx::Sqlite>::builder("user-service").build()?;
/// # let event = FollowCreated {
/// #     follower_id: Uuid::now_v7(), followee_id: Uuid::now_v7(), created_at: chrono::Utc::now(),
/// # };
///
/// let mut tx = pool.begin().await?;
/// // … change the data …
/// outbox.enqueue(&mut tx, &event).await?;
/// outbox.commit(tx).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Order
///
/// Events of one aggregate go out in the order of their sequence numbers. That is the order in which things happened
/// where the transactions that write to one aggregate take a lock on it *before* they enqueue: `UPDATE` its row, insert
/// it, or `SELECT … FOR UPDATE` it. Without a lock two transactions have no order, and whichever commits
/// first may be published first. Callers that don't lock the aggregate themselves let the outbox do it:
/// [`lock_aggregates`](OutboxBuilder::lock_aggregates).
///
/// # Only in a transaction
///
/// A pool is not a transaction, and does not compile:
///
/// ```compile_fail,E0308
/// # use nova_events::social::FollowCreated;
/// # use nova_outbox::Outbox;
/// async fn enqueue(outbox: Outbox<sqlx::Sqlite>, mut pool: sqlx::SqlitePool, event: FollowCreated) {
///     outbox.enqueue(&mut pool, &event).await.unwrap();
/// }
/// ```
///
/// The same with a transaction does:
///
/// ```
/// # use nova_events::social::FollowCreated;
/// # use nova_outbox::Outbox;
/// async fn enqueue(outbox: Outbox<sqlx::Sqlite>, mut tx: sqlx::SqliteTransaction<'_>, event: FollowCreated) {
///     outbox.enqueue(&mut tx, &event).await.unwrap();
/// }
/// ```
#[derive(Debug)]
pub struct Outbox<DB> {
    source: Option<ServiceName>,
    max_payload: usize,
    lock_aggregates: bool,
    wake: WakeUp,
    database: PhantomData<fn(DB)>,
}

impl<DB> Clone for Outbox<DB> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            max_payload: self.max_payload,
            lock_aggregates: self.lock_aggregates,
            wake: self.wake.clone(),
            database: PhantomData,
        }
    }
}

impl<DB: OutboxDatabase> Default for Outbox<DB> {
    fn default() -> Self {
        Self::new()
    }
}

impl<DB: OutboxDatabase> Outbox<DB> {
    /// The largest payload by default, in bytes: 900 KiB, which with the headers stays below the
    /// 1 MB that brokers take by default.
    pub const DEFAULT_MAX_PAYLOAD: usize = 900 * 1024;

    /// An outbox for events whose source is not told, or is set on each.
    #[must_use]
    pub fn new() -> Self {
        Self {
            source: None,
            max_payload: Self::DEFAULT_MAX_PAYLOAD,
            lock_aggregates: false,
            wake: WakeUp::new(),
            database: PhantomData,
        }
    }

    /// An outbox for the events of the service `source`, which goes out as the header of that name.
    #[must_use]
    pub fn builder(source: impl Into<String>) -> OutboxBuilder<DB> {
        OutboxBuilder {
            source: source.into(),
            max_payload: Self::DEFAULT_MAX_PAYLOAD,
            lock_aggregates: false,
            database: PhantomData,
        }
    }

    /// Inserts an event, in one statement. It is published if `tx` is committed, and else it never was.
    ///
    /// Enqueue after taking the aggregate's lock, best as the last statement: see [Order](Self#order).
    ///
    /// # Errors
    ///
    /// `Validation` for an aggregate id or name outside its grammar (empty, too long, with a NUL or another control
    /// character), `PayloadTooLarge` with the size and the limit. Both are found before the database is asked, so the
    /// transaction stays usable. `Internal` for a type that does not serialize. Else what the database answers.
    ///
    /// # Cancel safety
    ///
    /// After a drop the event may or may not be in the transaction: roll it back.
    pub async fn enqueue(
        &self,
        tx: &mut Transaction<'_, DB>,
        event: impl IntoNewEvent,
    ) -> Result<(), ServiceError> {
        let event = self.admit(event)?;
        self.insert(tx, &[event]).await
    }

    /// Inserts events in the order given, in one statement however many they are. Nothing is done for none.
    ///
    /// # Errors
    ///
    /// Those of [`enqueue`](Self::enqueue); where one event is refused, none is inserted.
    ///
    /// # Cancel safety
    ///
    /// After a drop the events may or may not be in the transaction: roll it back.
    pub async fn enqueue_all<I>(
        &self,
        tx: &mut Transaction<'_, DB>,
        events: I,
    ) -> Result<(), ServiceError>
    where
        I: IntoIterator<Item: IntoNewEvent>,
    {
        let events = events
            .into_iter()
            .map(|event| self.admit(event))
            .collect::<Result<Vec<_>, _>>()?;
        if events.is_empty() {
            return Ok(());
        }
        self.insert(tx, &events).await
    }

    /// Schedules an event: it goes out as if it were enqueued at `when`, by the database's clock. Returns its id, with which it can be
    /// [cancelled](Self::cancel).
    ///
    /// It waits in a table of its own (`outbox_scheduled`). When it is due a relay moves it into the outbox, exactly once however many
    /// relays there are, and there it takes its place behind what its aggregate has enqueued by then. Scheduled events of an aggregate
    /// are moved in the order of their times. `created_at` is the time of the move. A time in the past is due at once.
    ///
    /// A relay that is [woken by](crate::OutboxProcessor::wake_on) this outbox is on time. Others look for new schedules every second poll interval, so that an
    /// event which is due sooner than that may be as much late.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// # use nova_events::social::FollowCreated;
    /// # use nova_outbox::Outbox;
    /// # async fn remind(outbox: Outbox<sqlx::Sqlite>, tx: &mut sqlx::SqliteTransaction<'_>, event: FollowCreated) -> Result<(), nova_errors::ServiceError> {
    /// let id = outbox.enqueue_at(tx, &event, Utc::now() + TimeDelta::days(1)).await?;
    /// // … in another transaction, before that:
    /// let was_scheduled = outbox.cancel(tx, id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`enqueue`](Self::enqueue), and `Validation` for a time before 1970 or after 9999. Both leave the transaction
    /// usable.
    ///
    /// # Cancel safety
    ///
    /// After a drop the event may or may not be in the transaction: roll it back.
    pub async fn enqueue_at(
        &self,
        tx: &mut Transaction<'_, DB>,
        event: impl IntoNewEvent,
        when: DateTime<Utc>,
    ) -> Result<Uuid, ServiceError> {
        let event = self.admit(event)?;
        if !(0..END_OF_TIME).contains(&when.timestamp()) {
            let violation = Violation::new("when", "expected a time from 1970 to 9999");
            return Err(ServiceError::Validation(violation.into()));
        }
        DB::schedule(tx, &event, when).await?;
        self.wake.scheduled();
        Ok(event.event_id())
    }

    /// Cancels a scheduled event, in the caller's transaction; returns whether it was still waiting.
    ///
    /// Where it says so and `tx` is committed, the event never goes out. Where it doesn't, the event was moved into the outbox and
    /// goes out, or there was none.
    ///
    /// # Errors
    ///
    /// What the database answers.
    ///
    /// # Cancel safety
    ///
    /// After a drop the event may or may not be cancelled in the transaction: roll it back.
    pub async fn cancel(
        &self,
        tx: &mut Transaction<'_, DB>,
        event_id: Uuid,
    ) -> Result<bool, ServiceError> {
        Ok(DB::cancel(tx, event_id).await?)
    }

    /// Commits, and wakes the relays of this process.
    ///
    /// A plain `tx.commit()` is right too: the relay then finds the event by polling, for a moment after the enqueue
    /// every few milliseconds.
    ///
    /// # Errors
    ///
    /// What the database answers; a connection that is lost during a commit leaves its effect unknown.
    ///
    /// # Cancel safety
    ///
    /// After a drop the transaction may or may not be committed.
    pub async fn commit(&self, tx: Transaction<'_, DB>) -> Result<(), ServiceError> {
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    /// Wakes the relays of this process, for where somebody else has committed: `nova-service` commits the transaction of an idempotent command once it
    /// has the answer.
    ///
    /// ```
    /// # use nova_errors::ServiceError;
    /// # use nova_events::social::FollowCreated;
    /// # use nova_outbox::Outbox;
    /// use nova_service::CommandTransaction;
    ///
    /// async fn follow(
    ///     outbox: Outbox<sqlx::Sqlite>,
    ///     mut tx: CommandTransaction<sqlx::Sqlite>,
    ///     event: FollowCreated,
    /// ) -> Result<(), ServiceError> {
    ///     outbox.enqueue(&mut tx, &event).await?;
    ///     tx.after_commit(move || outbox.wake());
    ///     Ok(())
    /// }
    /// ```
    pub fn wake(&self) {
        self.wake.committed();
    }

    /// The service whose events these are, where it was told.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_ref().map(ServiceName::as_str)
    }

    pub(crate) fn wake_up(&self) -> &WakeUp {
        &self.wake
    }

    fn admit(&self, event: impl IntoNewEvent) -> Result<NewEvent, ServiceError> {
        let event = event.into_new_event()?;
        let size = event.payload().len();
        if size > self.max_payload {
            return Err(ServiceError::PayloadTooLarge(
                format!(
                    "payload of event {}: {size} bytes, at most {}",
                    event.event_type(),
                    self.max_payload
                )
                .into(),
            ));
        }
        if i32::try_from(event.schema_version()).is_err() {
            let violation = Violation::new("schema_version", "expected at most 2147483647");
            return Err(ServiceError::Validation(violation.into()));
        }
        Ok(match &self.source {
            Some(source) if event.source().is_none() => event.with_source(source),
            _ => event,
        })
    }

    async fn insert(
        &self,
        tx: &mut Transaction<'_, DB>,
        events: &[NewEvent],
    ) -> Result<(), ServiceError> {
        DB::insert(tx, events, self.lock_aggregates).await?;
        self.wake.enqueued();
        Ok(())
    }
}

/// Makes an [`Outbox`]: see [`Outbox::builder`].
#[derive(Debug, Clone)]
pub struct OutboxBuilder<DB> {
    source: String,
    max_payload: usize,
    lock_aggregates: bool,
    database: PhantomData<fn(DB)>,
}

impl<DB: OutboxDatabase> OutboxBuilder<DB> {
    /// The largest payload, in bytes: 1 to [`NewEvent::MAX_PAYLOAD`]; by default
    /// [`Outbox::DEFAULT_MAX_PAYLOAD`]. Set it to what the broker takes, less a few kilobytes for the headers.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Whether `enqueue` and `enqueue_all` take a lock on the aggregates of their events, until the transaction ends; by default they
    /// don't.
    ///
    /// For callers that don't lock an aggregate's row before they enqueue: with it the events of an aggregate go out in the order in which their
    /// transactions enqueued. It is a transaction-level advisory lock, taken in the same statement, before the event has its number; it works
    /// through a pooler in transaction mode. Transactions that enqueue for several aggregates in several calls can wait for each other in a
    /// circle: PostgreSQL then ends one of them (`Conflict`, to be tried again). One `enqueue_all` takes its locks in a fixed order.
    ///
    /// On SQLite it changes nothing: writing transactions come one after the other there.
    #[must_use]
    pub fn lock_aggregates(mut self, lock: bool) -> Self {
        self.lock_aggregates = lock;
        self
    }

    /// Makes the outbox.
    ///
    /// # Errors
    ///
    /// `Validation` for a source that is no service name, or a limit out of its bounds.
    pub fn build(self) -> Result<Outbox<DB>, ServiceError> {
        if !(1..=NewEvent::MAX_PAYLOAD).contains(&self.max_payload) {
            let expected = format!(
                "expected 1 to {}, got {}",
                NewEvent::MAX_PAYLOAD,
                self.max_payload
            );
            return Err(ServiceError::Validation(
                Violation::new("max_payload", expected).into(),
            ));
        }
        Ok(Outbox {
            source: Some(ServiceName::new(self.source)?),
            max_payload: self.max_payload,
            lock_aggregates: self.lock_aggregates,
            ..Outbox::new()
        })
    }
}
