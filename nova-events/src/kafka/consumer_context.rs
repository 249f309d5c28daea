use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use nova_errors::{Chain, ServiceError};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};

use super::assignment::{Assigned, Assignment};
use super::consumer_health::ConsumerHealth;
use crate::consumer::{Partition, Poller};
use crate::{ConsumerGroup, Topic};

/// What the client calls back. All of it runs on the thread that polls.
pub(super) struct Context {
    pub(super) group: ConsumerGroup,
    pub(super) assignment: Arc<Assignment>,
    pub(super) poller: Arc<Poller>,
    pub(super) health: Arc<ConsumerHealth>,
    pub(super) drain_timeout: Duration,
}

impl Context {
    /// Lets the running handlers of these partitions finish, or cancels and joins them, and stores where they got to.
    ///
    /// It blocks the polling thread, which is sound: the drain time-out is far below the interval in
    /// which a member must poll.
    pub(super) fn release(&self, consumer: &BaseConsumer<Self>, released: &[Assigned], lost: bool) {
        for (_, _, partition) in released {
            if lost {
                // Another member may have them already: nothing more may happen here.
                partition.stop().cancel();
            } else {
                partition.stop().drain();
            }
        }
        let idle = || released.iter().all(|(_, _, partition)| partition.is_idle());
        let deadline = Instant::now() + self.drain_timeout;
        if !self.poller.wait(Some(deadline), idle) {
            tracing::warn!(group = %self.group, "handlers outlast the drain and are cancelled");
            for (_, _, partition) in released {
                partition.stop().cancel();
            }
            self.poller.wait(None, idle);
        }
        if !lost {
            commit_positions(consumer, released);
        }
        for (topic, number, _) in released {
            self.assignment.remove(topic, *number);
            self.lag(topic, *number).set(0.0);
            self.lag_seconds(topic, *number).set(0.0);
        }
    }

    /// The next commit has the positions of these partitions too.
    fn commit_failed(&self, positions: &TopicPartitionList, error: KafkaError) {
        let error = ServiceError::from(error);
        tracing::warn!(group = %self.group, error = %Chain(&error), "a commit failed; it is tried again");
        for (_, _, partition) in self.named(positions) {
            partition.forget_commit();
        }
    }

    fn named(&self, list: &TopicPartitionList) -> Vec<Assigned> {
        let elements = list.elements();
        let found = elements.iter().filter_map(|element| {
            let (topic, partition) = self.assignment.get(element.topic(), element.partition())?;
            Some((topic, element.partition(), partition))
        });
        found.collect()
    }

    /// Reports how old the first record is that is not done, by partition.
    pub(super) fn report_age(&self, partitions: &[Assigned]) {
        let now = Utc::now();
        for (topic, number, partition) in partitions {
            let age = partition.oldest().map(|written| (now - written).to_std());
            let seconds = age.and_then(Result::ok).unwrap_or_default().as_secs_f64();
            self.lag_seconds(topic, *number).set(seconds);
        }
    }

    fn lag_seconds(&self, topic: &Topic, partition: i32) -> metrics::Gauge {
        metrics::gauge!(
            "nova_consumer_lag_seconds",
            "group" => self.group.label(),
            "topic" => topic.label(),
            "partition" => partition.to_string(),
        )
    }

    fn lag(&self, topic: &Topic, partition: i32) -> metrics::Gauge {
        metrics::gauge!(
            "kafka_consumergroup_lag",
            "group" => self.group.label(),
            "topic" => topic.label(),
            "partition" => partition.to_string(),
        )
    }
}

/// Commits the contiguous done prefixes, where they moved. It doesn't wait; the client does, before it gives up a partition or closes.
pub(super) fn commit_positions(consumer: &BaseConsumer<Context>, partitions: &[Assigned]) {
    let mut list = TopicPartitionList::new();
    for (topic, number, partition) in partitions {
        if let Some(position) = partition.take_position()
            && let Err(error) = list.add_partition_offset(topic, *number, Offset::Offset(position))
        {
            tracing::error!(%topic, position, %error, "a position could not be committed");
        }
    }
    if list.count() > 0
        && let Err(error) = consumer.commit(&list, CommitMode::Async)
    {
        consumer.context().commit_failed(&list, error);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::error!(facility, "{message}"),
            RDKafkaLogLevel::Warning => tracing::warn!(facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(group = %self.group, %error, reason, "the Kafka client reports an error");
        self.health.report(error.into());
    }

    fn stats(&self, statistics: Statistics) {
        let mut brokers = statistics.brokers.values();
        if brokers.any(|broker| broker.nodeid >= 0 && broker.state == "UP") {
            self.health.is_connected();
        }
        for (name, topic) in &statistics.topics {
            for (number, partition) in &topic.partitions {
                if partition.consumer_lag >= 0
                    && let Some((topic, _)) = self.assignment.get(name, *number)
                {
                    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
                    self.lag(&topic, *number).set(partition.consumer_lag as f64);
                }
            }
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                for element in list.elements() {
                    let (name, number) = (element.topic(), element.partition());
                    tracing::debug!(group = %self.group, name, number, "partition assigned");
                    // A subscription has valid names alone.
                    if let Ok(topic) = Topic::new(name) {
                        let partition = Partition::new(Arc::clone(&self.poller));
                        self.assignment.add(topic, number, partition);
                    }
                }
            }
            Rebalance::Revoke(list) => {
                let released = self.named(list);
                let lost = consumer.assignment_lost();
                tracing::debug!(group = %self.group, partitions = released.len(), lost, "partitions revoked");
                self.release(consumer, &released, lost);
            }
            Rebalance::Error(error) => self.health.report(error.clone().into()),
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // The client keeps a partition paused over a revocation: when it comes back it must not be.
        if let Rebalance::Assign(list) = rebalance {
            self.health.is_well();
            if let Err(error) = consumer.resume(list) {
                tracing::warn!(group = %self.group, %error, "partitions could not be resumed");
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if let Err(error) = result {
            self.commit_failed(offsets, error);
        }
    }
}
