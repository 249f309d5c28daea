use std::fmt;
use std::sync::Arc;

use nova_errors::ServiceError;

use super::{DeadLetterReplay, Inspect, ReplayDecision, default_group};
use crate::field::refused;
use crate::kafka::client_settings::ClientSettings;
use crate::{ConsumerGroup, EventPublisher, EventRecord, KafkaPublisher, ReceivedRecord, Topic};

/// Settings of a [`DeadLetterReplay`]; made by [`DeadLetterReplay::builder`].
#[must_use]
pub struct DeadLetterReplayBuilder {
    settings: ClientSettings,
    publisher_settings: crate::KafkaPublisherBuilder,
    publisher: Option<Arc<dyn EventPublisher>>,
    brokers: String,
    topic: String,
    group: Option<String>,
    filter: Arc<dyn Fn(&EventRecord) -> bool + Send + Sync>,
    inspect: Arc<Inspect>,
    max_replays: u32,
    rate: Option<u32>,
    dry_run: bool,
}

const OWNED: &[(&str, &str)] = &[
    ("enable.auto.offset.store", "false"),
    ("enable.auto.commit", "false"),
    ("enable.partition.eof", "true"),
    ("auto.offset.reset", "earliest"),
];

const DEFAULTS: &[(&str, &str)] = &[
    ("reconnect.backoff.max.ms", "1000"),
    ("queued.max.messages.kbytes", "16384"),
];

impl DeadLetterReplayBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: ClientSettings::new(DEFAULTS, OWNED),
            publisher_settings: KafkaPublisher::builder(),
            publisher: None,
            brokers: String::new(),
            topic: String::new(),
            group: None,
            filter: Arc::new(|_| true),
            inspect: Arc::new(|_, _| {}),
            max_replays: 3,
            rate: None,
            dry_run: false,
        }
    }

    /// Sets where the cluster is reached: `host:port`, several separated by commas. Required.
    pub fn brokers(mut self, brokers: impl Into<String>) -> Self {
        self.brokers = brokers.into();
        self
    }

    /// Sets the topic of the dead letters: one that ends with `.dlq`. Required.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    /// Sets the group that remembers how far replays got: `{topic}.replay` by default. A replay with a
    /// [`filter`](Self::filter) passes over the letters that it leaves out; give it a group of its own where they are to be replayed later.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets which letters are replayed: all by default.
    pub fn filter(mut self, filter: impl Fn(&EventRecord) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Arc::new(filter);
        self
    }

    /// Sets who is told of each letter and what is done with it, before it is done.
    pub fn inspect(
        mut self,
        inspect: impl Fn(&ReceivedRecord, ReplayDecision) + Send + Sync + 'static,
    ) -> Self {
        self.inspect = Arc::new(inspect);
        self
    }

    /// Sets how often a record may be replayed in all, by its `dlq_replay_count`: 3 times by default.
    pub const fn max_replays(mut self, times: u32) -> Self {
        self.max_replays = times;
        self
    }

    /// Sets how many letters are sent in a second at most: by default, as many as the cluster takes.
    pub const fn rate(mut self, per_second: u32) -> Self {
        self.rate = Some(per_second);
        self
    }

    /// Sets whether nothing is sent and no position is committed. Not so by default.
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets who publishes. By default it is a [`KafkaPublisher`] to the same brokers.
    pub fn publisher(mut self, publisher: impl EventPublisher) -> Self {
        self.publisher = Some(Arc::new(publisher));
        self
    }

    /// Adds a setting of librdkafka, such as `security.protocol`. It also holds for the publisher where its name begins with
    /// `security.`, `sasl.` or `ssl.`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        let secures = ["security.", "sasl.", "ssl."];
        if secures.iter().any(|prefix| name.starts_with(prefix)) {
            self.publisher_settings = self.publisher_settings.setting(name.clone(), value.clone());
        }
        self.settings.add(name, value);
        self
    }

    /// Makes the replay. It connects when it is run.
    ///
    /// # Errors
    ///
    /// `Validation` that names the setting which is missing or out of bounds.
    pub fn build(mut self) -> Result<DeadLetterReplay, ServiceError> {
        self.settings.own_brokers(&self.brokers)?;
        let topic = Topic::new(&self.topic)?;
        if !topic.ends_with(Topic::DEAD_LETTER_SUFFIX) {
            return Err(refused("topic", "expected one that ends with .dlq"));
        }
        let group = match &self.group {
            Some(group) => ConsumerGroup::new(group)?,
            None => default_group(&topic)?,
        };
        if self.rate == Some(0) {
            return Err(refused("rate", "expected at least 1 per second"));
        }
        self.settings.own("group.id", group.as_str());
        let publisher = match self.publisher {
            Some(publisher) => publisher,
            None => Arc::new(self.publisher_settings.brokers(&self.brokers).build()?),
        };
        Ok(DeadLetterReplay {
            config: self.settings.config()?,
            topic,
            publisher,
            filter: self.filter,
            inspect: self.inspect,
            max_replays: self.max_replays,
            rate: self.rate,
            dry_run: self.dry_run,
        })
    }
}

impl fmt::Debug for DeadLetterReplayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterReplayBuilder")
            .field("settings", &self.settings)
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}
