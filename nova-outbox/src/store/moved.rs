use std::time::Duration;

/// What [`move_due`](crate::OutboxStore::move_due) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// How many events were moved.
    pub events: u64,
    /// How long it is until the next scheduled event of these buckets is due, by the database's clock: zero where one is due that was left
    /// for later; `None` where nothing is scheduled.
    pub next: Option<Duration>,
}
