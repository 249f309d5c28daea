use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_service::{BackgroundWorker, Shutdown, WorkerError};
use rdkafka::ClientConfig;

use super::consumer_health::ConsumerHealth;
use super::consumer_thread::{ConsumerThread, Limits};
use super::{ConsumerHandle, EventConsumerBuilder};
use crate::consumer::Pipeline;
use crate::{ConsumerGroup, Topic};

/// Reads topics as a member of a group, and runs a function for each event.
///
/// - **At least once.** An offset is committed only when everything before it on its partition is done: handled, a
///   duplicate, skipped, or acknowledged as a dead letter.
/// - **In order within a key**, except across a dead letter. Keys run side by side; a slow one holds up itself alone, until the
///   partition's window is full. Then the partition is paused; the member stays in its group.
/// - **Failures that may pass** are tried again by the retry policy, without holding up other keys. The others, and poison,
///   go to the dead letters.
/// - **When a partition is revoked** its running handlers are finished, or cancelled and joined, before it goes.
///
/// Run it with a `nova_service::Supervisor`, or alone with [`start`](Self::start). Dropping the future of
/// `run` cancels the handlers.
///
/// ```no_run
/// use nova_errors::{RetryPolicy, ServiceError};
/// use nova_events::content::PostCreated;
/// use nova_events::{Event, EventConsumer, MemoryIdempotency};
/// use std::time::Duration;
///
/// # async fn fan_out(event: Event<PostCreated>) -> Result<(), ServiceError> { Ok(()) }
/// # async fn example() -> Result<(), ServiceError> {
/// let consumer = EventConsumer::builder()
///     .brokers("localhost:9092")
///     .group("feed-service-group")
///     .topics(["nova.content.events"])
///     .on(|event: Event<PostCreated>| fan_out(event))
///     .idempotency(MemoryIdempotency::default())
///     .retry(RetryPolicy::standard())
///     .dead_letters(true)
///     .build()?;
/// let handle = consumer.start();
/// handle.shutdown(Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
pub struct EventConsumer {
    topics: Vec<Topic>,
    config: ClientConfig,
    pipeline: Arc<Pipeline>,
    limits: Limits,
    health: Arc<ConsumerHealth>,
}

impl EventConsumer {
    /// The settings of a consumer, to be completed.
    pub fn builder() -> EventConsumerBuilder {
        EventConsumerBuilder::new()
    }

    pub(super) fn new(
        topics: Vec<Topic>,
        config: ClientConfig,
        pipeline: Pipeline,
        limits: Limits,
    ) -> Self {
        Self {
            topics,
            config,
            pipeline: Arc::new(pipeline),
            limits,
            health: Arc::default(),
        }
    }

    /// The group that it is a member of.
    #[must_use]
    pub fn group(&self) -> &ConsumerGroup {
        &self.pipeline.group
    }

    /// Runs it as a task of its own, without a supervisor.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(self) -> ConsumerHandle {
        ConsumerHandle::start(self)
    }

    /// Sees one record through as the consumer would, without a broker: routing, decoding, deduplication, retries and dead letters.
    /// For tests.
    ///
    /// # Panics
    ///
    /// Never: only a shutdown leaves a record undone, and there is none here.
    #[cfg(feature = "test-util")]
    pub async fn deliver(&self, record: crate::ReceivedRecord) -> crate::Outcome {
        let stop = crate::consumer::Stop::default();
        let outcome = self.pipeline.process(&record, &stop).await;
        outcome.expect("nobody asks it to stop")
    }
}

#[async_trait]
impl BackgroundWorker for EventConsumer {
    /// The name of the group.
    fn name(&self) -> &str {
        self.pipeline.group.as_str()
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let mut running = ConsumerThread::start(
            &self.config,
            &self.topics,
            &self.pipeline,
            self.limits,
            &self.health,
        )?;
        tokio::select! {
            ended = running.ended() => return ended,
            () = shutdown.requested() => running.stop(),
        }
        running.ended().await
    }

    async fn health_check(&self) -> Result<(), ServiceError> {
        self.health.check()?;
        match &self.pipeline.dead_letters {
            Some(dead_letters) => dead_letters.check(),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for EventConsumer {
    /// Without the client's settings: there may be passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventConsumer")
            .field("group", self.group())
            .field("topics", &self.topics)
            .field("routes", &self.pipeline.routes)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
