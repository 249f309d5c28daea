use std::time::Duration;

/// What was looked at by a check-up, what was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// A fixed name: `migrations`, `leases`, …
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub finding: String,
    /// What to do; nothing where all is well.
    pub advice: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// All is well.
    Fine,
    /// It works, but should be looked at.
    Warning,
    /// Events don't go out, are lost to their consumers, or will be.
    Problem,
}

impl Severity {
    /// The name: `fine`, `warning` or `problem`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check-up takes for too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thresholds {
    /// The age of the oldest pending event: 60 s.
    pub oldest_age: Duration,
    /// The pending events: 1 000.
    pub pending: u64,
    /// The bytes of a payload: what [`Outbox`](crate::Outbox) admits by default, 900 KiB.
    pub payload: u64,
    /// The age of a transaction that keeps deleted rows in the table: 5 minutes.
    pub transaction: Duration,
    /// The deleted rows that are still in the table: 100 000.
    pub dead_rows: u64,
    /// How far the clocks of the database and of this machine may be apart: 5 s.
    pub clock: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            oldest_age: Duration::from_secs(60),
            pending: 1_000,
            payload: 900 * 1024,
            transaction: Duration::from_secs(300),
            dead_rows: 100_000,
            clock: Duration::from_secs(5),
        }
    }
}
