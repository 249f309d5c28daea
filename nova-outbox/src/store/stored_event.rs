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
    /// How many events whose hold is over to read at most.
    pub due_limit: u32,
    /// The payloads, in bytes, after which no further event is read; and so for the events whose hold is over.
    pub max_bytes: usize,
    /// The aggregates of which nothing is to be read, except what is due, each as its type, a slash and its id.
    pub skip: &'a [String],
}

impl<'a> ReadRequest<'a> {
    /// A request for at most `limit` events of these buckets, all but the known ones, and as many whose hold is over.
    #[must_use]
    pub const fn new(buckets: &'a [Bucket], known: &'a [i64], limit: u32) -> Self {
        Self {
            buckets,
            known,
            limit,
            due_limit: limit,
            max_bytes: usize::MAX,
            skip: &[],
        }
    }

    /// At most so many events whose hold is over.
    #[must_use]
    pub const fn due_limit(mut self, limit: u32) -> Self {
        self.due_limit = limit;
        self
    }

    /// No further event once the payloads come to so many bytes.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Nothing of these aggregates, except what is due.
    #[must_use]
    pub const fn skip(mut self, aggregates: &'a [String]) -> Self {
        self.skip = aggregates;
        self
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
    /// Whether a bound may have left out some of `events`.
    pub truncated: bool,
    /// Whether a bound may have left out some of `due`.
    pub due_truncated: bool,
}
