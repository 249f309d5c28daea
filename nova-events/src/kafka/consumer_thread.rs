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
use super::consumer_context::{Context, commit_positions};
use super::consumer_health::ConsumerHealth;
use super::received::received;
use crate::consumer::{Load, Partition, Pipeline, Poller};
use crate::{ReceivedRecord, Topic};

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

/// How often positions are committed: what a crash repeats.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// How many records of a partition are handed over at once.
const CHUNK: usize = 64;

/// How often the age of what is not done is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How long to wait for an eighth of the room before a partition is paused: a pause throws away what the client has read ahead, and handlers
/// that are merely many get there sooner.
const ROOM_GRACE: Duration = Duration::from_millis(5);

/// How often to look for it. To be told of each record that is done would cost more.
const ROOM_CHECK: Duration = Duration::from_millis(1);

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
    chunk: Option<Chunk>,
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
            chunk: None,
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
        // Dropping the client waits for the commit and leaves the group.
        outcome
    }

    fn poll_until_stopped(&mut self) -> Result<(), WorkerError> {
        let (mut committed, mut reported) = (Instant::now(), Instant::now());
        while !self.stop.load(Ordering::SeqCst) {
            let wait = match (&self.chunk, self.paused.as_slice()) {
                // What the client has at hand already joins the chunk.
                (Some(_), _) => Duration::ZERO,
                (None, []) => POLL,
                (None, _) => POLL_PAUSED,
            };
            match self.consumer.poll(wait) {
                None => self.hand_over()?,
                Some(Ok(message)) => {
                    let record = self.read(&message);
                    drop(message);
                    if let Some(record) = record {
                        self.gather(record)?;
                    }
                }
                Some(Err(error)) => self.on_error(error)?,
            }
            if self.chunk.is_some() {
                continue;
            }
            if committed.elapsed() >= COMMIT_EVERY {
                commit_positions(&self.consumer, &self.assignment.all());
                committed = Instant::now();
            }
            if reported.elapsed() >= REPORT_EVERY {
                let all = self.assignment.all();
                self.consumer.context().report_age(&all);
                reported = Instant::now();
            }
            self.resume()?;
        }
        self.hand_over()?;
        Ok(())
    }

    /// Copies a record; and its partition, where that is not the chunk's.
    fn read(&self, message: &BorrowedMessage<'_>) -> Option<(ReceivedRecord, Option<Assigned>)> {
        let (topic, number) = (message.topic(), message.partition());
        // A partition may have been revoked and assigned anew since.
        if let Some(Chunk { assigned, .. }) = &self.chunk
            && assigned.1 == number
            && assigned.0.as_str() == topic
            && !assigned.2.stop().is_draining()
        {
            return Some((received(message, assigned.0.clone()), None));
        }
        let (topic, partition) = self.assignment.get(topic, number)?;
        let record = received(message, topic.clone());
        Some((record, Some((topic, number, partition))))
    }

    /// Adds a record to the chunk of its partition.
    fn gather(
        &mut self,
        (record, begins): (ReceivedRecord, Option<Assigned>),
    ) -> Result<(), ServiceError> {
        if let Some(assigned) = begins {
            self.hand_over()?;
            let room = self.limits.room(assigned.2.load());
            self.chunk = Some(Chunk::new(assigned, room));
        }
        let full = self.chunk.as_mut().is_some_and(|chunk| chunk.add(record));
        if full {
            self.hand_over()?;
        }
        Ok(())
    }

    /// Queues the chunk. Where its partition is full then, it is waited for or paused.
    fn hand_over(&mut self) -> Result<(), ServiceError> {
        let Some(Chunk {
            assigned, records, ..
        }) = self.chunk.take()
        else {
            return Ok(());
        };
        let partition = &assigned.2;
        partition.submit(records, &self.pipeline, &self.runtime);
        if self.limits.is_full(partition.load()) {
            self.wait_or_pause(assigned)?;
        }
        Ok(())
    }

    fn wait_or_pause(&mut self, full: Assigned) -> Result<(), ServiceError> {
        if !self.limits.wait_for_room(&full.2) {
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

    /// What may be added before it is full.
    const fn room(&self, load: Load) -> Load {
        Load {
            window: self.partition_window.saturating_sub(load.window),
            bytes: self.bytes.saturating_sub(load.bytes),
        }
    }

    /// Waits until half is free, for as long as an eighth becomes free in each time of grace. Whether it came to that.
    fn wait_for_room(&self, partition: &Partition) -> bool {
        let mut before = partition.load();
        loop {
            let deadline = Instant::now() + ROOM_GRACE;
            while Instant::now() < deadline {
                if self.has_ample_room(partition.load()) {
                    return true;
                }
                thread::sleep(ROOM_CHECK);
            }
            let now = partition.load();
            let moves = now.window + self.partition_window / 8 < before.window
                || now.bytes + self.bytes / 8 < before.bytes;
            if !moves {
                return false;
            }
            before = now;
        }
    }

    const fn has_ample_room(&self, load: Load) -> bool {
        load.window <= self.partition_window / 2 && load.bytes <= self.bytes / 2
    }
}

/// Records of one partition that are handed over together.
struct Chunk {
    assigned: Assigned,
    records: Vec<ReceivedRecord>,
    bytes: usize,
    room: Load,
}

impl Chunk {
    fn new(assigned: Assigned, room: Load) -> Self {
        Self {
            assigned,
            records: Vec::with_capacity(CHUNK.min(room.window)),
            bytes: 0,
            room,
        }
    }

    /// Whether it is to be handed over now.
    fn add(&mut self, record: ReceivedRecord) -> bool {
        self.bytes += record.record().size();
        self.records.push(record);
        self.records.len() >= CHUNK.min(self.room.window) || self.bytes >= self.room.bytes
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
