use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use nova_events::NewEvent;

/// Where the relay publishes to: the seam between the outbox and a broker.
///
/// The relay calls it for many aggregates at once and for one aggregate one event at a time, so an implementation
/// need not care for order.
#[async_trait]
pub trait OutboxPublisher: Send + Sync + 'static {
    /// Publishes an event; returns when the broker has acknowledged it.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` or `Timeout` with origin `Transport`: the broker is away. The event costs no attempt, and the relay backs off as a
    /// whole. Any other error is the event's own: it counts as an attempt and holds back the event's aggregate.
    async fn publish(&self, event: &OutboxEvent) -> Result<(), ServiceError>;

    /// After how long an event can't be delivered any more that was neither acknowledged nor refused. The relay waits no
    /// longer, and holds its buckets for longer than that.
    fn delivery_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Whether the publisher is set up as it should be; asked once, before the relay runs.
    ///
    /// # Errors
    ///
    /// `Validation` that names the setting.
    fn validate(&self) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// An event on its way out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OutboxEvent {
    /// Its number in the outbox: rises within an aggregate, and goes out as the header `seq`.
    pub seq: i64,
    /// The failed attempts so far.
    pub attempts: u32,
    /// The event.
    pub event: NewEvent,
}
