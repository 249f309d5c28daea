use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::OutboxSummary;

/// What a check-up is made from: facts alone, read in one go.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    pub(super) summary: OutboxSummary,
    /// The number of rows in the table of leases.
    pub(super) leases: i64,
    /// How long it is until the last lease ends.
    pub(super) longest_lease: Option<Duration>,
    /// The events in buckets that nobody owns.
    pub(super) unowned_events: i64,
    /// The scheduled events that should have been moved a minute ago.
    pub(super) overdue: i64,
    /// The largest payload that waits, in bytes.
    pub(super) largest_payload: i64,
    /// The database's clock.
    pub(super) now: DateTime<Utc>,
    /// Whether numbers are handed out in order: a sequence without a cache, or `AUTOINCREMENT`.
    pub(super) is_numbered_in_order: bool,
    pub(super) engine: Engine,
}

#[derive(Debug, Clone)]
pub(super) enum Engine {
    #[cfg(feature = "postgres")]
    Postgres(PostgresFacts),
    #[cfg(feature = "sqlite")]
    Sqlite { journal_mode: String },
}

#[cfg(feature = "postgres")]
#[derive(Debug, Clone)]
pub(super) struct PostgresFacts {
    /// The rows of events that are deleted and not vacuumed, as the statistics have it.
    pub(super) dead_rows: i64,
    /// The updates of a row of events, ever.
    pub(super) updates: i64,
    /// The bytes of the table of events with its indexes.
    pub(super) table_bytes: i64,
    /// Whether the launcher runs, and counts what it needs.
    pub(super) is_autovacuum_on: bool,
    /// The storage parameters of the table of events.
    pub(super) storage: Vec<String>,
    /// The age of the oldest transaction that keeps dead rows.
    pub(super) oldest_transaction: Option<Duration>,
    /// The replication slots that nobody reads.
    pub(super) idle_slots: Vec<String>,
    pub(super) fsync: bool,
    pub(super) is_commit_synchronous: bool,
}
