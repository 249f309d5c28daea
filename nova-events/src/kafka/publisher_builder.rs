use std::time::Duration;

use nova_errors::ServiceError;
use nova_models::ServiceName;

use super::KafkaPublisher;
use super::client_settings::ClientSettings;
use crate::field::refused;

/// Settings of a [`KafkaPublisher`]; made by [`KafkaPublisher::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct KafkaPublisherBuilder {
    settings: ClientSettings,
    brokers: String,
    delivery_timeout: Duration,
    max_in_flight: usize,
    max_in_flight_bytes: usize,
    cloud_events: Option<ServiceName>,
}

const OWNED: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("partitioner", "murmur2_random"),
];

const DEFAULTS: &[(&str, &str)] = &[
    ("linger.ms", "1"),
    // Room above the largest payload for the headers, a dead letter's included.
    ("message.max.bytes", "1048576"),
    ("reconnect.backoff.max.ms", "1000"),
];

impl KafkaPublisherBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: ClientSettings::new(DEFAULTS, OWNED),
            brokers: String::new(),
            delivery_timeout: Duration::from_secs(30),
            max_in_flight: 10_000,
            max_in_flight_bytes: 64 * 1024 * 1024,
            cloud_events: None,
        }
    }

    /// Sets where the cluster is reached: `host:port`, several separated by commas. Required.
    pub fn brokers(mut self, brokers: impl Into<String>) -> Self {
        self.brokers = brokers.into();
        self
    }

    /// Sets how long a record is tried before its delivery fails. 30 s by default, 1 s to 15 min.
    ///
    /// A lease under which records are published must last longer.
    pub const fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// Sets how many records may wait for their acknowledgement. 10 000 by default, 1 to 1 000 000.
    pub const fn max_in_flight(mut self, records: usize) -> Self {
        self.max_in_flight = records;
        self
    }

    /// Sets how many bytes may wait for their acknowledgement. 64 MiB by default, 2 MiB to 1 GiB.
    pub const fn max_in_flight_bytes(mut self, bytes: usize) -> Self {
        self.max_in_flight_bytes = bytes;
        self
    }

    /// Adds the headers of the CloudEvents binding to every event, beside ours
    /// ([`with_cloud_events`](crate::EventRecord::with_cloud_events)); `source` is who produced an event that does not say.
    /// They are not written by default.
    pub fn cloud_events(mut self, source: ServiceName) -> Self {
        self.cloud_events = Some(source);
        self
    }

    /// Adds a setting of librdkafka, such as `security.protocol`. Those that the publisher's promises rest on
    /// cannot be changed.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.add(name.into(), value.into());
        self
    }

    /// Makes the publisher. It connects in the background.
    ///
    /// # Errors
    ///
    /// `Validation` that names the setting which is missing or out of bounds.
    pub fn build(&self) -> Result<KafkaPublisher, ServiceError> {
        let producer = self.config()?.create().map_err(|error| {
            ServiceError::Internal("create a Kafka producer".into()).with_source(error)
        })?;
        Ok(KafkaPublisher::new(producer).with_cloud_events(self.cloud_events.clone()))
    }

    /// Checks the settings without connecting.
    pub(super) fn config(&self) -> Result<rdkafka::ClientConfig, ServiceError> {
        let mut settings = self.settings.clone();
        settings.own_brokers(&self.brokers)?;
        let second = Duration::from_secs(1);
        if !(second..=900 * second).contains(&self.delivery_timeout) {
            return Err(refused("delivery_timeout", "expected 1 s to 15 min"));
        }
        if !(1..=1_000_000).contains(&self.max_in_flight) {
            return Err(refused("max_in_flight", "expected 1 to 1 000 000"));
        }
        let kib = self.max_in_flight_bytes / 1024;
        if !(2 * 1024..=1024 * 1024).contains(&kib) {
            return Err(refused("max_in_flight_bytes", "expected 2 MiB to 1 GiB"));
        }
        let timeout = self.delivery_timeout.as_millis().to_string();
        settings.own("delivery.timeout.ms", timeout);
        settings.own(
            "queue.buffering.max.messages",
            self.max_in_flight.to_string(),
        );
        settings.own("queue.buffering.max.kbytes", kib.to_string());
        settings.config()
    }
}
