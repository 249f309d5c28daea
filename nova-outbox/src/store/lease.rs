use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use crate::Bucket;

/// A running relay: a new id each time one starts, so that a restarted process is another relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(Uuid);

impl RelayId {
    /// A new id.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two defaults would differ")]
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id as a UUID.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The ownership of a bucket, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What is owned.
    pub bucket: Bucket,
    /// Rises with every change of hands: whoever acts under an older epoch is refused.
    pub epoch: i64,
}

/// What a relay holds after [`hold_leases`](crate::OutboxStore::hold_leases).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tenancy {
    /// Every lease of the relay.
    pub leases: Vec<Lease>,
    /// How many buckets would be its fair share among the relays that are alive.
    pub share: usize,
    /// Whether any of its buckets holds an event.
    pub pending: bool,
    /// How long it is until the first scheduled event of its buckets is due, by the database's clock; `None` where nothing is scheduled.
    pub next_due: Option<Duration>,
}
