mod builder;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nova_errors::ServiceError;
use nova_service::Shutdown;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataPartition;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::received::received;
use crate::consumer::{DLQ_ORIGINAL_TOPIC, DLQ_PREFIX, DLQ_REPLAY_COUNT, replays_of};
use crate::{ConsumerGroup, DeliveryFuture, EventPublisher, EventRecord, ReceivedRecord, Topic};

pub use builder::DeadLetterReplayBuilder;

/// Sends dead letters to the topics that they came from, once: from where the last replay of its group got to, to where the topic ends
/// when it begins.
///
/// A letter goes out as the record was, with `dlq_replay_count` one higher. One that was replayed as often as
/// [`max_replays`](DeadLetterReplayBuilder::max_replays) allows stays where it is, so that a letter that nobody can handle does not go round for ever. The
/// position is committed behind letters that are acknowledged or passed over: a replay that is cut off goes on there, and
/// may send the last ones twice, which deduplication catches.
///
/// ```no_run
/// use nova_events::DeadLetterReplay;
/// use nova_service::Shutdown;
///
/// # async fn example() -> Result<(), nova_errors::ServiceError> {
/// let replay = DeadLetterReplay::builder()
///     .brokers("localhost:9092")
///     .topic("nova.content.events.dlq")
///     .filter(|letter| letter.header("dlq_error_code") == Some(b"internal"))
///     .build()?;
/// let (_trigger, shutdown) = Shutdown::new();
/// let report = replay.run(shutdown).await?;
/// println!("{} sent again", report.replayed);
/// # Ok(())
/// # }
/// ```
pub struct DeadLetterReplay {
    config: ClientConfig,
    topic: Topic,
    publisher: Arc<dyn EventPublisher>,
    filter: Arc<dyn Fn(&EventRecord) -> bool + Send + Sync>,
    inspect: Arc<Inspect>,
    max_replays: u32,
    rate: Option<u32>,
    dry_run: bool,
}

type Inspect = dyn Fn(&ReceivedRecord, ReplayDecision) + Send + Sync;

/// What a replay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Letters that were sent again; in a dry run, that would have been.
    pub replayed: u64,
    /// Letters that the filter left out.
    pub filtered: u64,
    /// Letters that were replayed too often already.
    pub exhausted: u64,
    /// Records that don't say where they came from.
    pub unreadable: u64,
}

/// What a replay does with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayDecision {
    /// It is sent again.
    Replayed,
    /// The filter leaves it out.
    Filtered,
    /// It was replayed too often already.
    Exhausted,
    /// It doesn't say where it came from.
    Unreadable,
}

/// How long the cluster may take to say where the topic begins and ends.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(30);

/// How many letters may wait for their acknowledgement.
const IN_FLIGHT: usize = 500;

/// How often the position is committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// What is to be read: the partitions that are not at their end, and where each ends.
type Ends = BTreeMap<i32, i64>;

impl DeadLetterReplay {
    /// The settings of a replay, to be completed.
    pub fn builder() -> DeadLetterReplayBuilder {
        DeadLetterReplayBuilder::new()
    }

    /// Replays until the end or a shutdown.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` or `Timeout` where the cluster does not answer, `NotFound` where there is no such topic; the failure of a
    /// delivery, which ends the replay.
    ///
    /// # Cancel safety
    ///
    /// Dropped, what was sent since the last commit is sent again by the next replay.
    pub async fn run(&self, shutdown: Shutdown) -> Result<ReplayReport, ServiceError> {
        let (config, topic) = (self.config.clone(), self.topic.clone());
        let (consumer, mut ends) = blocking(move || open(&config, &topic)).await?;
        let consumer = Arc::new(consumer);
        let mut report = ReplayReport::default();
        let mut progress = Progress::new(&consumer, &self.topic, !self.dry_run);
        let mut pace = self.rate.map(pace);
        while !ends.is_empty() && !shutdown.is_requested() {
            let message = tokio::select! {
                message = consumer.recv() => message,
                () = shutdown.requested() => break,
            };
            let message = match message {
                Ok(message) => message,
                Err(KafkaError::PartitionEOF(partition)) => {
                    ends.remove(&partition);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (partition, offset) = (message.partition(), message.offset());
            let Some(end) = ends.get(&partition) else {
                continue;
            };
            // What was dead-lettered since the replay began is the next one's.
            if offset < *end {
                let letter = received(&message, self.topic.clone());
                let decision = self.decide(&letter);
                (self.inspect)(&letter, decision);
                let delivery = match decision {
                    ReplayDecision::Replayed if !self.dry_run => {
                        if let Some(pace) = &mut pace {
                            pace.tick().await;
                        }
                        Some(self.publisher.publish(self.original(letter)?).await?)
                    }
                    _ => None,
                };
                report.count(decision);
                progress.add(partition, offset, delivery).await?;
            }
            if offset + 1 >= *end {
                ends.remove(&partition);
            }
        }
        progress.finish().await?;
        Ok(report)
    }

    fn decide(&self, letter: &ReceivedRecord) -> ReplayDecision {
        let record = letter.record();
        if origin(record).is_none() {
            ReplayDecision::Unreadable
        } else if !(self.filter)(record) {
            ReplayDecision::Filtered
        } else if replays_of(record) >= self.max_replays {
            ReplayDecision::Exhausted
        } else {
            ReplayDecision::Replayed
        }
    }

    /// The record as it was, and how often it was replayed.
    fn original(&self, letter: ReceivedRecord) -> Result<EventRecord, ServiceError> {
        let letter = letter.into_record();
        let replays = replays_of(&letter).saturating_add(1);
        let topic = origin(&letter).ok_or_else(|| {
            ServiceError::Internal("a dead letter without its origin was to be replayed".into())
        })?;
        Ok(letter
            .with_topic(topic)
            .without_headers(|name| name.starts_with(DLQ_PREFIX))
            .with_header(DLQ_REPLAY_COUNT, replays.to_string()))
    }
}

fn origin(letter: &EventRecord) -> Option<Topic> {
    let topic = str::from_utf8(letter.header(DLQ_ORIGINAL_TOPIC)?).ok()?;
    Topic::new(topic).ok()
}

fn pace(per_second: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(1) / per_second.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// A consumer that reads on from the group's positions, and where the partitions end.
fn open(config: &ClientConfig, topic: &Topic) -> Result<(StreamConsumer, Ends), ServiceError> {
    let consumer: StreamConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), CLUSTER_TIMEOUT)?;
    let partitions = metadata.topics().first();
    let partitions = partitions.map_or_else(Vec::new, |topic| {
        topic
            .partitions()
            .iter()
            .map(MetadataPartition::id)
            .collect()
    });
    if partitions.is_empty() {
        return Err(ServiceError::NotFound("dead-letter topic".into()));
    }
    let mut wanted = TopicPartitionList::new();
    for partition in &partitions {
        wanted.add_partition(topic, *partition);
    }
    let committed: BTreeMap<i32, Offset> = {
        // It must not outlive its consumer, whose drop would hang.
        let found = consumer.committed_offsets(wanted, CLUSTER_TIMEOUT)?;
        let elements = found.elements();
        let each = elements.iter();
        each.map(|element| (element.partition(), element.offset()))
            .collect()
    };
    let mut ends = Ends::new();
    let mut assigned = TopicPartitionList::new();
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, CLUSTER_TIMEOUT)?;
        let next = match committed.get(&partition) {
            Some(Offset::Offset(next)) => (*next).max(low),
            _ => low,
        };
        if next < high {
            ends.insert(partition, high);
            assigned.add_partition_offset(topic, partition, Offset::Offset(next))?;
        }
    }
    consumer.assign(&assigned)?;
    Ok((consumer, ends))
}

/// What was read and is not yet committed.
struct Progress<'a> {
    consumer: &'a Arc<StreamConsumer>,
    topic: &'a Topic,
    commits: bool,
    in_flight: VecDeque<(i32, i64, Option<DeliveryFuture>)>,
    /// The positions behind what is done, by partition.
    done: BTreeMap<i32, i64>,
    committed: Instant,
}

impl<'a> Progress<'a> {
    fn new(consumer: &'a Arc<StreamConsumer>, topic: &'a Topic, commits: bool) -> Self {
        Self {
            consumer,
            topic,
            commits,
            in_flight: VecDeque::new(),
            done: BTreeMap::new(),
            committed: Instant::now(),
        }
    }

    async fn add(
        &mut self,
        partition: i32,
        offset: i64,
        delivery: Option<DeliveryFuture>,
    ) -> Result<(), ServiceError> {
        self.in_flight.push_back((partition, offset, delivery));
        if self.in_flight.len() >= IN_FLIGHT {
            self.settle_first().await?;
        }
        if self.committed.elapsed() >= COMMIT_EVERY {
            self.commit()?;
        }
        Ok(())
    }

    async fn settle_first(&mut self) -> Result<(), ServiceError> {
        if let Some((partition, offset, delivery)) = self.in_flight.pop_front() {
            if let Some(delivery) = delivery
                && let Err(error) = delivery.await
            {
                // Those before it are done all the same.
                self.commit()?;
                return Err(error);
            }
            self.done.insert(partition, offset + 1);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), ServiceError> {
        while !self.in_flight.is_empty() {
            self.settle_first().await?;
        }
        let list = self.positions()?;
        if list.count() == 0 {
            return Ok(());
        }
        let consumer = Arc::clone(self.consumer);
        blocking(move || Ok(consumer.commit(&list, CommitMode::Sync)?)).await
    }

    fn commit(&mut self) -> Result<(), ServiceError> {
        self.committed = Instant::now();
        let list = self.positions()?;
        if list.count() == 0 {
            return Ok(());
        }
        Ok(self.consumer.commit(&list, CommitMode::Async)?)
    }

    fn positions(&mut self) -> Result<TopicPartitionList, ServiceError> {
        let mut list = TopicPartitionList::new();
        let done = std::mem::take(&mut self.done);
        for (partition, position) in done.into_iter().filter(|_| self.commits) {
            list.add_partition_offset(self.topic, partition, Offset::Offset(position))?;
        }
        Ok(list)
    }
}

/// The client's calls that wait block their thread.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    let panicked = |panic| ServiceError::Internal("Kafka client".into()).with_source(panic);
    tokio::task::spawn_blocking(call).await.map_err(panicked)?
}

impl ReplayReport {
    fn count(&mut self, decision: ReplayDecision) {
        let count = match decision {
            ReplayDecision::Replayed => &mut self.replayed,
            ReplayDecision::Filtered => &mut self.filtered,
            ReplayDecision::Exhausted => &mut self.exhausted,
            ReplayDecision::Unreadable => &mut self.unreadable,
        };
        *count += 1;
    }
}

impl fmt::Debug for DeadLetterReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterReplay")
            .field("topic", &self.topic)
            .field("max_replays", &self.max_replays)
            .field("rate", &self.rate)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

/// The group of a topic's replays.
fn default_group(topic: &Topic) -> Result<ConsumerGroup, ServiceError> {
    ConsumerGroup::new(&format!("{topic}.replay"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn letters_are_sent_no_faster_than_asked_for() {
        let began = tokio::time::Instant::now();
        let mut pace = pace(20);
        for _ in 0..10 {
            pace.tick().await;
        }
        // The first goes at once.
        assert_eq!(began.elapsed(), Duration::from_millis(450));
    }
}
