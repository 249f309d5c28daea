//! What the relay needs of a database.

mod lease;
mod moved;
mod outcome;
mod stats;
mod stored_event;

use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;

use crate::Bucket;

pub use lease::{Lease, RelayId, Tenancy};
pub use moved::Moved;
pub use outcome::{Failure, Outcomes, Release, Settled};
pub use stats::OutboxStats;
pub use stored_event::{EventKey, ReadBatch, ReadRequest, StoredEvent};

/// The seam between the relay and a database: leases, reads, outcomes.
///
/// The conformance suite (feature `test-util`, module `conformance`) says what an implementation must do; those of this crate
/// pass it. Every method is one round of work on the database, and runs in a transaction of its own.
///
/// Time is the database's: durations are passed, never instants.
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// Joins the relays, or stays one of them, for `ttl` from now; renews the leases of `relay`, and takes free ones up to
    /// its fair share. Every lease that is taken anew gets a higher epoch.
    ///
    /// A lease that has expired is free, whoever held it. Leases beyond the share are renewed too: giving them up is the
    /// relay's decision ([`release`](Self::release)).
    ///
    /// # Errors
    ///
    /// What the database answers.
    async fn hold_leases(&self, relay: RelayId, ttl: Duration) -> Result<Tenancy, ServiceError>;

    /// Gives leases up, where `relay` still holds them with these epochs.
    ///
    /// # Errors
    ///
    /// What the database answers.
    async fn release(&self, relay: RelayId, leases: &[Lease]) -> Result<(), ServiceError>;

    /// Gives all leases up and leaves the relays.
    ///
    /// # Errors
    ///
    /// What the database answers.
    async fn leave(&self, relay: RelayId) -> Result<(), ServiceError>;

    /// Reads events that are not known, within the bounds of the request, without those of aggregates on hold or to be skipped; and beside
    /// them the events whose hold is over and which are not known either, within bounds of their own.
    ///
    /// All that it returns is of one snapshot, and is read from the start of each bucket: what is left out because of a bound
    /// comes after what is returned. Order rests on that. Numbers are not committed in the order in which they were taken, so reading on
    /// from the last number that was seen could skip an event and find a later one of the same aggregate.
    ///
    /// # Errors
    ///
    /// What the database answers. A row that is no valid event is no error: it is returned as such.
    async fn read(&self, request: ReadRequest<'_>) -> Result<ReadBatch, ServiceError>;

    /// Records outcomes, all or none: deletes what was acknowledged, whoever owns the bucket by now; releases holds,
    /// puts aggregates on hold and moves events to the dead letters, these three only where `relay` holds the lease with
    /// that epoch, and where the event is still there.
    ///
    /// # Errors
    ///
    /// What the database answers.
    async fn settle(&self, relay: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError>;

    /// Moves scheduled events of these buckets that are due into the outbox, at most `limit`, each exactly once and by their times, and
    /// only those of buckets that `relay` owns.
    ///
    /// # Errors
    ///
    /// What the database answers.
    async fn move_due(
        &self,
        relay: RelayId,
        buckets: &[Bucket],
        limit: u32,
    ) -> Result<Moved, ServiceError>;

    /// Counts what is in these buckets.
    ///
    /// # Errors
    ///
    /// What the database answers.
    async fn stats(&self, buckets: &[Bucket]) -> Result<OutboxStats, ServiceError>;
}
