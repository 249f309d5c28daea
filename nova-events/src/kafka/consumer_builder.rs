use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use futures::future::BoxFuture;
use nova_errors::{Backoff, RetryPolicy, ServiceError};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use super::client_settings::ClientSettings;
use super::consumer_thread::Limits;
use super::lazy_publisher::LazyPublisher;
use super::{EventConsumer, KafkaPublisher};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::consumer::{BatchTxHandler, TxHandler};
use crate::consumer::{
    DeadLetters, EventReply, EventRequest, EventService, Meters, Pipeline, Registration, Routes,
    Store, TypedHandler, Wrap, wrap,
};
use crate::field::refused;
use crate::{ConsumerGroup, DomainEvent, Event, EventPublisher, IdempotencyStore, Topic};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::{InboxDatabase, SqlInbox};

/// Where a group begins in a partition that it has no position in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartFrom {
    /// At the oldest record that is kept: nothing is missed.
    #[default]
    Earliest,
    /// Behind the newest one: what came before is of no interest.
    Latest,
}

/// Settings of an [`EventConsumer`]; made by [`EventConsumer::builder`].
///
/// What is wrong with them is said by [`build`](Self::build), by name.
#[must_use]
pub struct EventConsumerBuilder {
    settings: ClientSettings,
    publisher_settings: super::KafkaPublisherBuilder,
    brokers: String,
    group: String,
    topics: Vec<String>,
    handlers: Vec<Registration>,
    layers: Vec<Wrap>,
    idempotency: Option<Store>,
    retry: RetryPolicy,
    dead_letters: bool,
    dead_letter_publisher: Option<Publisher>,
    handler_timeout: Duration,
    drain_timeout: Duration,
    concurrency: usize,
    partition_window: usize,
    max_in_flight_bytes: usize,
    start_from: StartFrom,
    batch_size: usize,
}

const OWNED: &[(&str, &str)] = &[
    // Positions are committed by the consumer's thread: the client by itself never commits one that went back, as after a
    // partition was made anew.
    ("enable.auto.offset.store", "false"),
    ("enable.auto.commit", "false"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("enable.partition.eof", "false"),
];

const DEFAULTS: &[(&str, &str)] = &[
    // The lag and the health of the connection come from the statistics.
    ("statistics.interval.ms", "5000"),
    // New topics and partitions are noticed within this time.
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("reconnect.backoff.max.ms", "1000"),
    // What the client reads ahead of the windows, in all.
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "20"),
    // A partition that is resumed waits for the fetch that is out: this long at most.
    ("fetch.wait.max.ms", "100"),
];

impl EventConsumerBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: ClientSettings::new(DEFAULTS, OWNED),
            publisher_settings: KafkaPublisher::builder(),
            brokers: String::new(),
            group: String::new(),
            topics: Vec::new(),
            handlers: Vec::new(),
            layers: Vec::new(),
            idempotency: None,
            retry: default_retry(),
            dead_letters: true,
            dead_letter_publisher: None,
            handler_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            concurrency: 64,
            partition_window: 1000,
            max_in_flight_bytes: 64 * 1024 * 1024,
            start_from: StartFrom::Earliest,
            batch_size: 500,
        }
    }

    /// Sets where the cluster is reached: `host:port`, several separated by commas. Required.
    pub fn brokers(mut self, brokers: impl Into<String>) -> Self {
        self.brokers = brokers.into();
        self
    }

    /// Sets the group that shares the work and the positions. Required.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Sets the topics to read. At least one is required.
    pub fn topics<S: Into<String>>(mut self, topics: impl IntoIterator<Item = S>) -> Self {
        self.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// Registers the handler of an event type, and of its aliases. At least one is required.
    ///
    /// Events of one key come in order, one after the other; handlers of different keys run at the same
    /// time. A handler may be run again for the same event: after a failure, a time-out, a crash.
    pub fn on<T, F, Fut>(mut self, handler: F) -> Self
    where
        T: DomainEvent,
        F: Fn(Event<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let handler = Arc::new(TypedHandler::<T, F>::new(handler));
        self.handlers
            .push(Registration::new::<T>(move |_| Ok(handler)));
        self
    }

    /// Registers the handler of an event type whose effect is in the service's own database: it is given the transaction in which
    /// the event is marked as handled, so that a crash at any point neither loses nor doubles the effect. The runtime
    /// commits it when the handler has succeeded, and else rolls it back.
    ///
    /// The [idempotency](Self::idempotency) store has to be a [`SqlInbox`] on the same database. What an outbox enqueues in the
    /// transaction is published if the event was handled. On SQLite one transaction writes at a time.
    ///
    /// ```
    /// use futures::future::BoxFuture;
    /// use nova_errors::ServiceError;
    /// use nova_events::social::FollowCreated;
    /// use nova_events::{Event, EventConsumer, SqlInbox};
    ///
    /// async fn count(
    ///     event: Event<FollowCreated>,
    ///     tx: &mut sqlx::SqliteTransaction<'_>,
    /// ) -> Result<(), ServiceError> {
    ///     sqlx::query("UPDATE users SET followers = followers + 1 WHERE id = ?1")
    ///         .bind(event.followee_id)
    ///         .execute(&mut **tx)
    ///         .await?;
    ///     Ok(())
    /// }
    ///
    /// # fn example(pool: sqlx::SqlitePool) -> Result<(), ServiceError> {
    /// let consumer = EventConsumer::builder()
    ///     .brokers("localhost:9092")
    ///     .group("user-service-group")
    ///     .topics(["nova.social.events"])
    ///     .on_tx(|event: Event<FollowCreated>, tx| Box::pin(count(event, tx)))
    ///     .idempotency(SqlInbox::new(pool))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub fn on_tx<T, DB, F>(mut self, handler: F) -> Self
    where
        T: DomainEvent,
        DB: InboxDatabase,
        F: for<'t> Fn(
                Event<T>,
                &'t mut sqlx::Transaction<'static, DB>,
            ) -> BoxFuture<'t, Result<(), ServiceError>>
            + Send
            + Sync
            + 'static,
    {
        self.handlers.push(Registration::new::<T>(move |store| {
            let inbox = inbox::<DB>("on_tx", store)?;
            Ok(Arc::new(TxHandler::<T, F, DB>::new(handler, inbox)))
        }));
        self
    }

    /// Registers a handler that takes many events of a type at once, in one transaction that marks all of them as handled: one unit
    /// of rollback, and one commit. Else it is like [`on_tx`](Self::on_tx).
    ///
    /// A batch has what waits on a partition while the batch before is in the database, up to [`batch_size`](Self::batch_size);
    /// events of a key come in order. Where a batch fails it is tried in halves, so that one event
    /// that cannot be handled is found and tried by itself, with those of its key behind it, and holds up no others.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub fn on_batch<T, DB, F>(mut self, handler: F) -> Self
    where
        T: DomainEvent,
        DB: InboxDatabase,
        F: for<'t> Fn(
                Vec<Event<T>>,
                &'t mut sqlx::Transaction<'static, DB>,
            ) -> BoxFuture<'t, Result<(), ServiceError>>
            + Send
            + Sync
            + 'static,
    {
        self.handlers.push(Registration::new::<T>(move |store| {
            let inbox = inbox::<DB>("on_batch", store)?;
            Ok(Arc::new(BatchTxHandler::<T, F, DB>::new(handler, inbox)))
        }));
        self
    }

    /// Sets how many events a batch has at most. 500 by default, 1 to 10 000.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub const fn batch_size(mut self, events: usize) -> Self {
        self.batch_size = events;
        self
    }

    /// Registers a handler that is handed a clone of `state`, as a pool or a client, with each event. Else it is like [`on`](Self::on).
    ///
    /// ```
    /// use nova_errors::ServiceError;
    /// use nova_events::social::FollowCreated;
    /// use nova_events::{Event, EventConsumer};
    ///
    /// #[derive(Clone)]
    /// struct App;
    ///
    /// async fn notify(_app: App, _event: Event<FollowCreated>) -> Result<(), ServiceError> {
    ///     Ok(())
    /// }
    ///
    /// let consumer = EventConsumer::builder()
    ///     .brokers("localhost:9092")
    ///     .group("notification-service-group")
    ///     .topics(["nova.social.events"])
    ///     .on_with(App, notify)
    ///     .build()?;
    /// # Ok::<(), ServiceError>(())
    /// ```
    pub fn on_with<S, T, F, Fut>(self, state: S, handler: F) -> Self
    where
        S: Clone + Send + Sync + 'static,
        T: DomainEvent,
        F: Fn(S, Event<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        self.on(move |event| handler(state.clone(), event))
    }

    /// Adds middleware around all handlers: a tower layer over an [`EventService`]. The first is the outermost one. It sees each attempt, inside
    /// of retries and deduplication by claims, outside of a transaction; what it answers counts as the handler's answer. A batch passes it by.
    ///
    /// It costs a copy of the record's headers for each attempt.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<EventService> + Send + Sync + 'static,
        L::Service: Service<EventRequest, Response = EventReply, Error: Into<ServiceError>, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.layers.push(wrap(layer));
        self
    }

    /// Sets the store that keeps events from being handled again. Without one, a redelivered event is. While the store is
    /// away events wait for it, which costs them no attempt.
    pub fn idempotency(mut self, store: impl IdempotencyStore) -> Self {
        self.idempotency = Some(Store::new(store));
        self
    }

    /// Sets how failures that may pass are tried again: by default 10 attempts, with waits from 100 ms doubling to 30 s,
    /// jittered. When they are spent the record goes to the dead letters.
    ///
    /// A key whose event waits for its next attempt holds up no other key.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets whether records that cannot be handled go to `{topic}.dlq`. They do by default; else they are logged
    /// as errors, counted as `dropped`, and passed over.
    pub const fn dead_letters(mut self, enabled: bool) -> Self {
        self.dead_letters = enabled;
        self
    }

    /// Sets who publishes dead letters. By default it is a [`KafkaPublisher`] to the same brokers, made when it is needed.
    pub fn dead_letters_to(mut self, publisher: impl EventPublisher) -> Self {
        self.dead_letter_publisher = Some(Publisher(Arc::new(publisher)));
        self
    }

    /// Sets how long one run of a handler may take, after which it is dropped and counts as failed with `Timeout`.
    /// 30 s by default, 1 ms to 1 h.
    pub const fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.handler_timeout = timeout;
        self
    }

    /// Sets how long handlers that run may take to finish at a shutdown or before a partition is given up;
    /// then they are cancelled. 5 s by default, at most 60 s. A handler that blocks its thread cannot be cancelled: it
    /// holds up the shutdown or the revocation until it ends.
    pub const fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets how many handlers run at once. 64 by default, 1 to 10 000.
    pub const fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers;
        self
    }

    /// Sets how many records of a partition may be read beyond the first one that is not done. 1000 by default,
    /// 1 to 100 000. It is what may come again after a crash, and what a slow key may hold up.
    /// A full window pauses its partition until half of it is done; a small one costs throughput.
    pub const fn partition_window(mut self, records: usize) -> Self {
        self.partition_window = records;
        self
    }

    /// Sets how many bytes of records may be in flight, of all partitions. 64 MiB by default, from 1 MiB. It is exceeded
    /// by one record of each partition at most. Beside it the client reads ahead 16 MiB.
    pub const fn max_in_flight_bytes(mut self, bytes: usize) -> Self {
        self.max_in_flight_bytes = bytes;
        self
    }

    /// Sets where the group begins in a partition that it has no position in.
    pub const fn start_from(mut self, start: StartFrom) -> Self {
        self.start_from = start;
        self
    }

    /// Adds a setting of librdkafka, such as `security.protocol` or `session.timeout.ms`. It also holds for the dead
    /// letters' publisher where its name begins with `security.`, `sasl.` or `ssl.`. Those that the consumer's promises rest on
    /// cannot be changed.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        let secures = ["security.", "sasl.", "ssl."];
        if secures.iter().any(|prefix| name.starts_with(prefix)) {
            self.publisher_settings = self.publisher_settings.setting(name.clone(), value.clone());
        }
        self.settings.add(name, value);
        self
    }

    /// Makes the consumer. It connects when it is [run](EventConsumer).
    ///
    /// # Errors
    ///
    /// `Validation` that names the setting which is missing or out of bounds: `brokers`, `group`, `topics`, `on`, ….
    pub fn build(mut self) -> Result<EventConsumer, ServiceError> {
        self.settings.own_brokers(&self.brokers)?;
        let group = ConsumerGroup::new(&self.group)?;
        let topics = self.checked_topics()?;
        let handlers = std::mem::take(&mut self.handlers);
        let routes = Routes::new(handlers, self.idempotency.as_ref(), &self.layers)?;
        self.retry.validate()?;
        self.check_bounds()?;
        self.settings.own("group.id", group.as_str());
        let start = match self.start_from {
            StartFrom::Earliest => "earliest",
            StartFrom::Latest => "latest",
        };
        self.settings.own("auto.offset.reset", start);
        let config = self.settings.config()?;
        let dead_letters = self.checked_dead_letters()?;
        let pipeline = Pipeline {
            meters: Meters::new(group.clone()),
            group,
            routes,
            retry: self.retry,
            handler_timeout: self.handler_timeout,
            idempotency: self.idempotency.map(|store| store.store),
            dead_letters,
            batch_size: self.batch_size,
            permits: Semaphore::new(self.concurrency),
        };
        let limits = Limits {
            partition_window: self.partition_window,
            bytes: self.max_in_flight_bytes,
            drain: self.drain_timeout,
        };
        Ok(EventConsumer::new(topics, config, pipeline, limits))
    }

    fn checked_topics(&self) -> Result<Vec<Topic>, ServiceError> {
        if self.topics.is_empty() {
            return Err(refused("topics", "expected at least one topic"));
        }
        let mut topics = Vec::with_capacity(self.topics.len());
        for name in &self.topics {
            let topic = Topic::new(name).map_err(|error| refused("topics", error.to_string()))?;
            if topics.contains(&topic) {
                return Err(refused("topics", format!("{topic} is named twice")));
            }
            topics.push(topic);
        }
        Ok(topics)
    }

    fn checked_dead_letters(&mut self) -> Result<Option<DeadLetters>, ServiceError> {
        if !self.dead_letters {
            return Ok(None);
        }
        let publisher = match self.dead_letter_publisher.take() {
            Some(publisher) => publisher.0,
            None => {
                let settings = self.publisher_settings.clone().brokers(&self.brokers);
                settings.config()?;
                Arc::new(LazyPublisher::new(settings))
            }
        };
        Ok(Some(DeadLetters::new(publisher)))
    }

    fn check_bounds(&self) -> Result<(), ServiceError> {
        let second = Duration::from_secs(1);
        if !(second / 1000..=3600 * second).contains(&self.handler_timeout) {
            return Err(refused("handler_timeout", "expected 1 ms to 1 h"));
        }
        if self.drain_timeout > 60 * second {
            return Err(refused("drain_timeout", "expected at most 60 s"));
        }
        if !(1..=10_000).contains(&self.concurrency) {
            return Err(refused("concurrency", "expected 1 to 10 000"));
        }
        if !(1..=100_000).contains(&self.partition_window) {
            return Err(refused("partition_window", "expected 1 to 100 000"));
        }
        if !(1..=10_000).contains(&self.batch_size) {
            return Err(refused("batch_size", "expected 1 to 10 000"));
        }
        if self.max_in_flight_bytes < 1024 * 1024 {
            return Err(refused("max_in_flight_bytes", "expected at least 1 MiB"));
        }
        Ok(())
    }
}

fn default_retry() -> RetryPolicy {
    let waits = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
    RetryPolicy::standard()
        .max_attempts(10)
        .backoff(waits.unwrap_or(Backoff::STANDARD))
}

/// The inbox that the handlers of a method mark events in.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn inbox<DB: InboxDatabase>(
    method: &str,
    store: Option<&Store>,
) -> Result<SqlInbox<DB>, ServiceError> {
    let inbox = store.and_then(Store::downcast);
    inbox.ok_or_else(|| {
        let expected = "expected `idempotency` to be a `SqlInbox` of the handler's database";
        refused(method, expected)
    })
}

impl std::fmt::Debug for EventConsumerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventConsumerBuilder")
            .field("settings", &self.settings)
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("topics", &self.topics)
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}

struct Publisher(Arc<dyn EventPublisher>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::social::{FollowCreated, FollowDeleted};

    fn valid() -> EventConsumerBuilder {
        EventConsumer::builder()
            .brokers("localhost:9092")
            .group("feed")
            .topics(["nova.social.events"])
            .on(async |_: Event<FollowCreated>| Ok(()))
    }

    fn field(builder: EventConsumerBuilder) -> String {
        let error = builder.build().unwrap_err();
        error.violations()[0].field.clone()
    }

    #[test]
    fn a_bad_setting_is_refused_by_name() {
        assert!(valid().build().is_ok());
        assert_eq!(field(valid().brokers("")), "brokers");
        assert_eq!(field(valid().group("")), "group");
        assert_eq!(field(valid().group("a b")), "group");
        assert_eq!(field(valid().topics::<String>([])), "topics");
        assert_eq!(field(valid().topics([""])), "topics");
        assert_eq!(field(valid().topics(["a", "a"])), "topics");
        assert_eq!(
            field(valid().retry(RetryPolicy::standard().max_attempts(0))),
            "retry.max_attempts"
        );
        assert_eq!(
            field(valid().handler_timeout(Duration::ZERO)),
            "handler_timeout"
        );
        assert_eq!(field(valid().concurrency(0)), "concurrency");
        assert_eq!(field(valid().partition_window(0)), "partition_window");
        assert_eq!(field(valid().max_in_flight_bytes(0)), "max_in_flight_bytes");
        assert_eq!(field(valid().setting("group.id", "other")), "setting");
        assert_eq!(
            field(valid().setting("enable.auto.commit", "false")),
            "setting"
        );
        assert_eq!(
            field(valid().drain_timeout(Duration::from_secs(61))),
            "drain_timeout"
        );
    }

    #[test]
    fn a_route_that_is_missing_doubled_or_misnamed_is_refused() {
        let none = EventConsumer::builder()
            .brokers("localhost:9092")
            .group("feed")
            .topics(["nova.social.events"]);
        assert_eq!(field(none), "on");
        let two = valid().on(async |_: Event<FollowDeleted>| Ok(()));
        assert!(two.build().is_ok());
        let doubled = valid().on(async |_: Event<FollowCreated>| Ok(()));
        assert_eq!(field(doubled), "on");

        #[derive(serde::Serialize, serde::Deserialize)]
        struct Misnamed;
        impl DomainEvent for Misnamed {
            const EVENT_TYPE: &'static str = "with spaces";
            const AGGREGATE_TYPE: &'static str = "test";
            fn aggregate_id(&self) -> String {
                String::new()
            }
        }
        let misnamed = valid().on(async |_: Event<Misnamed>| Ok(()));
        assert_eq!(field(misnamed), "on.event_type");
    }
}
