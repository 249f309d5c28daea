//! Operation of an outbox: counts, lists, replay, purge, check-up.

mod batches;
mod check;
mod event_details;
mod event_filter;
mod examination;
mod listed_event;
mod outbox_summary;
#[cfg(feature = "postgres")]
mod postgres;
mod retention;
mod schema_version;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod survey;

use std::sync::Arc;

use chrono::Utc;
use nova_errors::{ServiceError, Violation};
use uuid::Uuid;

use self::batches::Work;
use self::store::AdminStore;

pub use batches::Batches;
pub use check::{Check, Severity, Thresholds};
pub use event_details::EventDetails;
pub use event_filter::EventFilter;
pub use listed_event::{EventPage, EventState, ListedEvent, Shelf};
pub use outbox_summary::OutboxSummary;
pub use retention::DeadLetterRetention;
pub use schema_version::SchemaVersion;

/// What the operator of an outbox does to it: the library below the `nova-outbox` command.
///
/// Made from a pool of either database. It works beside relays and writers, takes a connection for each round of work, and gets through a
/// pooler in transaction mode.
///
/// ```
/// use nova_outbox::{EventFilter, OutboxAdmin, Shelf};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// let admin = OutboxAdmin::from(pool);
/// admin.migrate().await?;
///
/// let page = admin.list(Shelf::Dead, &EventFilter::new(), 0, 100).await?;
/// for letter in page.events {
///     println!("{} {:?}", letter.id, letter.state);
/// }
///
/// let mut replay = admin.replay(EventFilter::new().aggregate_type("content")).await?;
/// while let Some(events) = replay.next().await? {
///     println!("{events} events go out again");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OutboxAdmin {
    store: Arc<dyn AdminStore>,
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for OutboxAdmin {
    fn from(pool: sqlx::PgPool) -> Self {
        Self {
            store: Arc::new(postgres::PostgresAdmin::new(pool)),
        }
    }
}

#[cfg(feature = "sqlite")]
impl From<sqlx::SqlitePool> for OutboxAdmin {
    fn from(pool: sqlx::SqlitePool) -> Self {
        Self {
            store: Arc::new(sqlite::SqliteAdmin::new(pool)),
        }
    }
}

impl OutboxAdmin {
    /// How many events a part of a list can have.
    pub const MAX_PAGE: u32 = 10_000;

    /// Makes the tables, or brings them up to date: [`migrate`](crate::migrate).
    ///
    /// # Errors
    ///
    /// What the database answers.
    pub async fn migrate(&self) -> Result<(), ServiceError> {
        self.store.migrate().await
    }

    /// The version of the tables, and that of this build.
    ///
    /// # Errors
    ///
    /// What the database answers.
    pub async fn schema_version(&self) -> Result<SchemaVersion, ServiceError> {
        self.store.schema_version().await
    }

    /// Counts what is in the outbox. It looks at every row.
    ///
    /// # Errors
    ///
    /// What the database answers; `Internal` where there are no tables.
    pub async fn summary(&self) -> Result<OutboxSummary, ServiceError> {
        self.store.summary().await
    }

    /// Lists events by rising number: at most `limit` (1 to [`MAX_PAGE`](Self::MAX_PAGE)) of those that match, from the one after `after`.
    ///
    /// On PostgreSQL each bucket is read by its index, at most `limit` rows of it where nothing is filtered.
    ///
    /// # Errors
    ///
    /// `Validation` for a limit or a filter out of its bounds; what the database answers.
    pub async fn list(
        &self,
        shelf: Shelf,
        filter: &EventFilter,
        after: i64,
        limit: u32,
    ) -> Result<EventPage, ServiceError> {
        filter.check()?;
        if !(1..=Self::MAX_PAGE).contains(&limit) {
            let expected = format!("expected 1 to {}, got {limit}", Self::MAX_PAGE);
            return Err(ServiceError::Validation(
                Violation::new("limit", expected).into(),
            ));
        }
        let events = self.store.list(shelf, filter, after, limit + 1).await?;
        Ok(EventPage::of(events, limit))
    }

    /// All that there is of the event with this `event_id`: usually one entry or none. It looks at every row.
    ///
    /// # Errors
    ///
    /// What the database answers.
    pub async fn find(&self, id: Uuid) -> Result<Vec<EventDetails>, ServiceError> {
        self.store.find(id).await
    }

    /// Puts dead letters back into the outbox, in the order of their numbers, to be published again.
    ///
    /// What is replayed is the same event: its `event_id`, `created_at`, payload and headers are kept, so that a consumer which has
    /// handled it drops it. It gets a **new number**, and goes out behind what its aggregate has enqueued by now, as the aggregate went on without
    /// it. Events of one aggregate that are replayed together keep their order among themselves. Its attempts start anew. What dies
    /// again is a new dead letter.
    ///
    /// A consumer must be able to take an event that comes late: one that applies it by `created_at`, or drops what is older than its
    /// state, does. One that drops a falling `seq` takes it, as the number is new.
    ///
    /// Replays wait for each other, a batch at a time, so that two of them don't change the order of an aggregate's events.
    ///
    /// # Errors
    ///
    /// `Validation` for a filter out of its bounds; what the database answers.
    pub async fn replay(&self, filter: EventFilter) -> Result<Batches, ServiceError> {
        self.batches(Work::Replay, filter).await
    }

    /// Deletes dead letters for good.
    ///
    /// # Errors
    ///
    /// `Validation` for a filter out of its bounds; what the database answers.
    pub async fn purge(&self, filter: EventFilter) -> Result<Batches, ServiceError> {
        self.batches(Work::Purge, filter).await
    }

    async fn batches(&self, work: Work, filter: EventFilter) -> Result<Batches, ServiceError> {
        filter.check()?;
        let span = self.store.span(&filter).await?;
        Ok(Batches::new(Arc::clone(&self.store), work, filter, span))
    }

    /// Checks the outbox up: its tables, leases, backlog, and what of the database's settings it rests on.
    ///
    /// It looks at every row, and changes nothing. Where the tables are not as this build wants them, there is nothing
    /// else to be checked.
    ///
    /// # Errors
    ///
    /// What the database answers.
    pub async fn examine(&self, limits: &Thresholds) -> Result<Vec<Check>, ServiceError> {
        let version = self.store.schema_version().await?;
        let mut checks = vec![examination::schema(version)];
        if !version.is_behind() {
            let survey = self.store.survey().await?;
            checks.extend(examination::examine(&survey, limits, Utc::now()));
        }
        Ok(checks)
    }
}
