use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nova_errors::ServiceError;
use nova_service::WorkerError;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::assignment::{Assigned, Assignment};
use super::consumer_context::{Context, store_positions};
use super::consumer_health::ConsumerHealth;
use super::received::received;
use crate::Topic;
use crate::consumer::{Load, Pipeline, Poller};

/// The bounds of a consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) partition_window: usize,
    pub(super) bytes: usize,
    pub(super) drain: Duration,
}

/// How long a poll waits for a record: what a stop may be late by.
const POLL: Duration = Duration::from_millis(50);

/// The same while a partition is paused, and is to go on as soon as there is room.
const POLL_PAUSED: Duration = Duration::from_millis(5);

/// How often positions are handed to the client, which commits them every second.
const STORE_EVERY: Duration = Duration::from_millis(100);

/// How often the age of what is not done is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How long to wait for room before a partition is paused: a pause throws away what the client has read ahead.
const ROOM_GRACE: Duration = Duration::from_millis(5);

/// The thread that owns the client and polls it.
///
/// A thread and not a task, because a revocation has to wait for handlers inside the client's callback: they
/// run on the runtime meanwhile.
pub(super) struct ConsumerThread {
    consumer: BaseConsumer<Context>,
    assignment: Arc<Assignment>,
    poller: Arc<Poller>,
    health: Arc<ConsumerHealth>,
    pipeline: Arc<Pipeline>,
    runtime: Handle,
    limits: Limits,
    paused: Vec<Assigned>,
    stop: Arc<AtomicBool>,
}

impl ConsumerThread {
    pub(super) fn start(
        config: &ClientConfig,
        topics: &[Topic],
        pipeline: &Arc<Pipeline>,
        limits: Limits,
        health: &Arc<ConsumerHealth>,
    ) -> Result<Running, ServiceError> {
        let assignment = Arc::<Assignment>::default();
        let poller = Arc::<Poller>::default();
        let context = Context {
            group: pipeline.group.clone(),
            assignment: Arc::clone(&assignment),
            poller: Arc::clone(&poller),
            health: Arc::clone(health),
            drain_timeout: limits.drain,
        };
        let mut config = config.clone();
        config.set_log_level(RDKafkaLogLevel::Warning);
        let consumer: BaseConsumer<Context> = config.create_with_context(context)?;
        let names: Vec<&str> = topics.iter().map(Topic::as_str).collect();
        consumer.subscribe(&names)?;
        let stop = Arc::<AtomicBool>::default();
        let thread = Self {
            consumer,
            assignment: Arc::clone(&assignment),
            poller: Arc::clone(&poller),
            health: Arc::clone(health),
            pipeline: Arc::clone(pipeline),
            runtime: Handle::current(),
            limits,
            paused: Vec::new(),
            stop: Arc::clone(&stop),
        };
        let (ended, end) = oneshot::channel();
        thread::Builder::new()
            .name("nova-consumer".to_owned())
            // Nobody listens any more where the run was dropped.
            .spawn(move || drop(ended.send(thread.run())))
            .map_err(|error| {
                ServiceError::Internal("start the consumer's thread".into()).with_source(error)
            })?;
        Ok(Running {
            end,
            stop,
            assignment,
            poller,
        })
    }

    fn run(mut self) -> Result<(), WorkerError> {
        self.poller.enter();
        let outcome = self.poll_until_stopped();
        let all = self.assignment.all();
        self.consumer.context().release(&self.consumer, &all, false);
        // Dropping the client commits what is stored and leaves the group.
        outcome
    }

    fn poll_until_stopped(&mut self) -> Result<(), WorkerError> {
        let (mut stored, mut reported) = (Instant::now(), Instant::now());
        while !self.stop.load(Ordering::SeqCst) {
            let wait = if self.paused.is_empty() {
                POLL
            } else {
                POLL_PAUSED
            };
            match self.consumer.poll(wait) {
                None => {}
                Some(Ok(message)) => {
                    let full = self.accept(&message);
                    drop(message);
                    if let Some(partition) = full {
                        self.wait_or_pause(partition)?;
                    }
                }
                Some(Err(error)) => self.on_error(error)?,
            }
            if stored.elapsed() >= STORE_EVERY {
                store_positions(&self.consumer, &self.assignment.all());
                stored = Instant::now();
            }
            if reported.elapsed() >= REPORT_EVERY {
                let all = self.assignment.all();
                self.consumer.context().report_age(&all);
                reported = Instant::now();
            }
            self.resume()?;
        }
        Ok(())
    }

    /// Queues a record; its partition where that is full now.
    fn accept(&self, message: &BorrowedMessage<'_>) -> Option<Assigned> {
        let number = message.partition();
        let (topic, partition) = self.assignment.get(message.topic(), number)?;
        let record = received(message, topic.clone());
        partition.submit(record, &self.pipeline, &self.runtime);
        let full = self.limits.is_full(partition.load());
        full.then_some((topic, number, partition))
    }

    fn wait_or_pause(&mut self, full: Assigned) -> Result<(), ServiceError> {
        let has_room = || !self.limits.is_full(full.2.load());
        if !self
            .poller
            .wait(Some(Instant::now() + ROOM_GRACE), has_room)
        {
            self.consumer.pause(&list(&full))?;
            self.paused.push(full);
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), ServiceError> {
        for paused in std::mem::take(&mut self.paused) {
            if paused.2.stop().is_draining() {
                // It was revoked; if it comes back, it comes back unpaused.
                continue;
            }
            if self.limits.has_ample_room(paused.2.load()) {
                self.consumer.resume(&list(&paused))?;
            } else {
                self.paused.push(paused);
            }
        }
        Ok(())
    }

    /// The client goes on by itself after all but fatal errors; after those a new one is needed.
    fn on_error(&self, error: KafkaError) -> Result<(), WorkerError> {
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        let error = ServiceError::from(error);
        if fatal {
            return Err(WorkerError::Transient(error));
        }
        tracing::warn!(group = %self.pipeline.group, error = %nova_errors::Chain(&error), "a poll failed");
        self.health.report(error);
        Ok(())
    }
}

fn list((topic, number, _): &Assigned) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, *number);
    list
}

impl Limits {
    const fn is_full(&self, load: Load) -> bool {
        load.window >= self.partition_window || load.bytes >= self.bytes
    }

    const fn has_ample_room(&self, load: Load) -> bool {
        load.window <= self.partition_window / 2 && load.bytes <= self.bytes / 2
    }
}

/// A thread that runs, as its task sees it. Dropping it stops the thread and cancels the handlers.
pub(super) struct Running {
    end: oneshot::Receiver<Result<(), WorkerError>>,
    stop: Arc<AtomicBool>,
    assignment: Arc<Assignment>,
    poller: Arc<Poller>,
}

impl Running {
    /// Asks the thread to drain and end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.poller.wake();
    }

    /// Waits for the end of the thread.
    pub(super) async fn ended(&mut self) -> Result<(), WorkerError> {
        (&mut self.end).await.unwrap_or_else(|panic| {
            let error = ServiceError::Internal("the consumer's thread panicked".into());
            Err(WorkerError::Fatal(error.with_source(panic)))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        for (_, _, partition) in self.assignment.all() {
            partition.stop().cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_full_by_records_or_bytes_and_goes_on_when_half_of_both_is_free() {
        let limits = Limits {
            partition_window: 10,
            bytes: 100,
            drain: Duration::ZERO,
        };
        let load = |window, bytes| Load { window, bytes };
        assert!(!limits.is_full(load(9, 99)));
        assert!(limits.is_full(load(10, 0)));
        assert!(limits.is_full(load(1, 100)));
        assert!(limits.has_ample_room(load(5, 50)));
        assert!(!limits.has_ample_room(load(6, 0)));
        assert!(!limits.has_ample_room(load(0, 51)));
    }
}
