use std::time::Duration;

use crate::OutboxStats;

/// What an outbox holds, and who works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OutboxSummary {
    /// The numbers behind the gauges, of all buckets.
    pub stats: OutboxStats,
    /// Events that wait for their time.
    pub scheduled: u64,
    /// How long it is until the first of them is due, by the database's clock: zero where one is; `None` where there is none.
    pub next_due: Option<Duration>,
    /// The age of the oldest dead letter since it died.
    pub oldest_dead: Option<Duration>,
    /// The relays that are alive.
    pub relays: u64,
    /// How many of the 64 buckets a relay owns.
    pub owned_buckets: u64,
}
