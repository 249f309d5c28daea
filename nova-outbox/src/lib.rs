//! Enqueue an event in your transaction; a relay publishes it in order, at least once, whatever
//! crashes.
//!
//! - [`Outbox::enqueue`] takes the caller's transaction, and nothing else: the event exists if the change does.
//! - [`OutboxProcessor`] is the relay, one in each process, any number of processes.
//! - [`Outbox::enqueue_at`] schedules an event for later; [`Outbox::cancel`] takes it back.
//! - [`migrate`] makes the tables.
//! - `OutboxAdmin`, and the command `nova-outbox` over it (feature `cli`), list, replay and purge, and check an outbox up.
//!
//! ```
//! use std::time::Duration;
//! use nova_outbox::{Outbox, OutboxProcessor, OutboxRepository};
//! # use async_trait::async_trait;
//! # use nova_errors::ServiceError;
//! # use nova_events::social::FollowCreated;
//! # use nova_outbox::{OutboxEvent, OutboxPublisher};
//! # use uuid::Uuid;
//! # struct Log(tokio::sync::mpsc::UnboundedSender<i64>);
//! # #[async_trait]
//! # impl OutboxPublisher for Log {
//! #     async fn publish(&self, event: &OutboxEvent) -> Result<(), ServiceError> {
//! #         self.0.send(event.seq).map_err(|_| ServiceError::Internal("gone".into()))
//! #     }
//! # }
//! type Db = sqlx::Sqlite; // or sqlx::Postgres
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! # let (sender, mut published) = tokio::sync::mpsc::unbounded_channel();
//! # let publisher = Log(sender);
//! # let event = FollowCreated {
//! #     follower_id: Uuid::now_v7(), followee_id: Uuid::now_v7(), created_at: chrono::Utc::now(),
//! # };
//! nova_outbox::migrate(&pool).await?;
//! let outbox = Outbox::<Db>::builder("user-service").build()?;
//! let repository = OutboxRepository::<Db>::new(pool.clone());
//! let relay = OutboxProcessor::new(repository, publisher, 100, Duration::from_secs(5), 5)
//!     .wake_on(&outbox)
//!     .start();
//!
//! let mut tx = pool.begin().await?;
//! outbox.enqueue(&mut tx, &event).await?;
//! outbox.commit(tx).await?;
//!
//! # assert_eq!(published.recv().await, Some(1));
//! relay.shutdown(Duration::from_secs(30)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The [guides](guide) say what is promised and what that rests on, how an outbox is operated, and how to move from an older table.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `postgres` | the outbox on PostgreSQL |
//! | `sqlite` | the outbox on SQLite |
//! | `kafka` | publication to Kafka |
//! | `cli` | the command `nova-outbox`, on either database |
//! | `test-util` | the conformance suite for implementations of [`OutboxStore`] |
//!
//! # Between processes
//!
//! A commit through [`Outbox::commit`] wakes the relays of its own process. Those of others poll. Where that is too late,
//! `PostgresNotifier` tells them by `NOTIFY`, outside of the business transactions, and `PostgresListener` wakes them.
//!
//! # Metrics
//!
//! Through the `metrics` facade, with the label `source`: `outbox_pending`, `outbox_retrying` (aggregates on hold), `outbox_dead`,
//! `outbox_oldest_age_seconds`, `outbox_published_total`, `outbox_publish_latency_seconds` (from enqueue to acknowledgement, by the database's
//! clock). A relay reports on the buckets that it owns: sum over the relays. `DeadLetterRetention` counts what it deletes in
//! `outbox_dead_purged_total`. Rules for Prometheus are in `deploy/prometheus/nova-outbox.rules.yaml`.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod admin;
mod bucket;
#[cfg(feature = "test-util")]
pub mod conformance;
mod database;
#[cfg(doc)]
pub mod guide;
mod handle;
mod health;
mod into_new_event;
#[cfg(feature = "kafka")]
mod kafka_publisher;
mod outbox;
#[cfg(feature = "postgres")]
mod postgres;
mod processor;
mod publisher;
mod relay;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod wake_up;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use admin::{
    Batches, Check, DeadLetterRetention, EventDetails, EventFilter, EventPage, EventState,
    ListedEvent, OutboxAdmin, OutboxSummary, SchemaVersion, Severity, Shelf, Thresholds,
};
pub use bucket::Bucket;
pub use database::{OutboxDatabase, OutboxRepository, migrate};
pub use handle::OutboxHandle;
pub use into_new_event::IntoNewEvent;
#[cfg(feature = "kafka")]
pub use kafka_publisher::KafkaOutboxPublisher;
pub use outbox::{Outbox, OutboxBuilder};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresListener, PostgresNotifier, PostgresOutboxRepository};
pub use processor::OutboxProcessor;
pub use publisher::{OutboxEvent, OutboxPublisher};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteOutboxRepository;
pub use store::{
    EventKey, Failure, Lease, Moved, OutboxStats, OutboxStore, Outcomes, ReadBatch, ReadRequest,
    RelayId, Release, Settled, StoredEvent, Tenancy,
};
