use std::time::Duration;

/// What an outbox holds: the numbers behind the gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxStats {
    /// Events that wait to be published, those of aggregates on hold included.
    pub pending: u64,
    /// Aggregates on hold after a failure.
    pub retrying: u64,
    /// Dead letters.
    pub dead: u64,
    /// The age of the oldest pending event by the database's clock; `None` where nothing is pending.
    pub oldest_age: Option<Duration>,
}
