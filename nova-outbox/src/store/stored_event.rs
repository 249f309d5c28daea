use std::time::Duration;

use nova_errors::ServiceError;
use nova_events::NewEvent;

use crate::Bucket;

/// Where an event stands: the primary key of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey {
    /// The bucket of its aggregate.
    pub bucket: Bucket,
    /// Its number: rises within an aggregate, and is unique in the outbox.
    pub seq: i64,
}

/// What to [`read`](crate::OutboxStore::read).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ReadRequest<'a> {
    /// The buckets, in the order in which to read them.
    pub buckets: &'a [Bucket],
    /// The numbers of the events that are not to be read again, as they are in memory.
    pub known: &'a [i64],
    /// How many events to read at most.
    pub limit: u32,
}

impl<'a> ReadRequest<'a> {
    /// A request for at most `limit` events of these buckets, all but the known ones.
    #[must_use]
    pub const fn new(buckets: &'a [Bucket], known: &'a [i64], limit: u32) -> Self {
        Self {
            buckets,
            known,
            limit,
        }
    }
}

/// A row of the outbox, as it was read.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Where it stands.
    pub key: EventKey,
    /// With the id, what it must stay in order with.
    pub aggregate_type: String,
    /// See `aggregate_type`.
    pub aggregate_id: String,
    /// The failed attempts so far.
    pub attempts: u32,
    /// How long ago it was enqueued, by the database's clock, when it was read.
    pub age: Duration,
    /// The event, with the database's time as `created_at`; an error where the row is no valid event, as somebody else may have
    /// written it.
    pub event: Result<NewEvent, ServiceError>,
}

/// What [`read`](crate::OutboxStore::read) found.
#[derive(Debug, Clone, Default)]
pub struct ReadBatch {
    /// Events of aggregates that are not on hold, in the order of the request's buckets, then of `seq`.
    pub events: Vec<StoredEvent>,
    /// Events whose hold is over: each the one that its aggregate waits for.
    pub due: Vec<StoredEvent>,
    /// Holds that are over, and whose event is gone.
    pub orphans: Vec<EventKey>,
}
