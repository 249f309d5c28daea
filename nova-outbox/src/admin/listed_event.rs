use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use uuid::Uuid;

/// Where events stand in an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shelf {
    /// What waits to be published, events of aggregates on hold included.
    Pending,
    /// The events that failed and are tried again: each is the one that its aggregate waits for.
    Retrying,
    /// What failed for good.
    Dead,
    /// What waits for its time.
    Scheduled,
}

/// What is with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventState {
    /// It waits for its turn.
    Pending,
    /// It failed, and is tried again.
    Retrying {
        /// The attempts so far.
        attempts: u32,
        /// When it is tried again.
        hold_until: DateTime<Utc>,
        /// Why it failed the last time: the error's code and message.
        error: String,
    },
    /// It failed for good.
    Dead {
        /// The attempts that were made.
        attempts: u32,
        /// The code of the last error.
        error_code: String,
        /// The last error, with its causes.
        error_message: String,
        /// When it was given up.
        died_at: DateTime<Utc>,
    },
    /// It waits for its time.
    Scheduled {
        /// When it goes into the outbox.
        due_at: DateTime<Utc>,
    },
}

/// An event as a list shows it: all but the payload and the optional headers, which [`find`](crate::OutboxAdmin::find) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedEvent {
    /// Its number; for a scheduled event, which has none yet, its place in the order of scheduling.
    pub seq: i64,
    /// The `event_id`.
    pub id: Uuid,
    /// The number of its aggregate's bucket.
    pub bucket: i16,
    /// With the id, the aggregate.
    pub aggregate_type: String,
    /// See `aggregate_type`.
    pub aggregate_id: String,
    /// What happened.
    pub event_type: String,
    /// The length of the payload, in bytes.
    pub payload_size: u64,
    /// When it was enqueued, or scheduled.
    pub created_at: DateTime<Utc>,
    /// What is with it.
    pub state: EventState,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPage {
    /// The events, by rising `seq`.
    pub events: Vec<ListedEvent>,
    /// The `after` of the next part; `None` where this is the last.
    pub next: Option<i64>,
}

impl EventPage {
    /// Makes a page of at most `limit` events of one more that were read.
    pub(super) fn of(mut events: Vec<ListedEvent>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| more).map(|event| event.seq);
        Self { events, next }
    }
}

/// The columns that say what is with an event.
pub(super) struct StateRow {
    pub(super) state: String,
    pub(super) attempts: Option<i32>,
    pub(super) error_code: Option<String>,
    pub(super) error: Option<String>,
    pub(super) state_at: Option<DateTime<Utc>>,
}

impl StateRow {
    pub(super) fn into_state(self) -> Result<EventState, ServiceError> {
        let attempts = u32::try_from(self.attempts.unwrap_or_default()).unwrap_or_default();
        match (&*self.state, self.error, self.state_at) {
            ("pending", ..) => Ok(EventState::Pending),
            ("retrying", Some(error), Some(hold_until)) => Ok(EventState::Retrying {
                attempts,
                hold_until,
                error,
            }),
            ("dead", Some(error_message), Some(died_at)) => Ok(EventState::Dead {
                attempts,
                error_code: self.error_code.unwrap_or_default(),
                error_message,
                died_at,
            }),
            ("scheduled", _, Some(due_at)) => Ok(EventState::Scheduled { due_at }),
            _ => Err(ServiceError::DataLoss(
                "row of the outbox has no state".into(),
            )),
        }
    }
}
