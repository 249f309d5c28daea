use std::time::Duration;

use nova_errors::{Chain, ServiceError};

use super::EventKey;

/// What became of events, to be recorded by [`settle`](crate::OutboxStore::settle).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// Published and acknowledged: to be deleted.
    pub acknowledged: Vec<EventKey>,
    /// Holds that are over, because their event was acknowledged or is gone.
    pub released: Vec<Release>,
    /// Failed, to be tried again: their aggregates go on hold.
    pub held: Vec<Failure>,
    /// Failed for good: to be moved to the dead letters; a hold on their aggregate ends.
    pub dead: Vec<Failure>,
}

impl Outcomes {
    /// How many events and holds they concern.
    #[must_use]
    pub fn len(&self) -> usize {
        self.acknowledged.len() + self.released.len() + self.held.len() + self.dead.len()
    }

    /// Whether there is nothing to record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The end of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The event that its aggregate waited for.
    pub key: EventKey,
    /// The epoch of the relay's lease.
    pub epoch: i64,
}

/// A failed attempt to publish an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The event.
    pub key: EventKey,
    /// The epoch of the relay's lease.
    pub epoch: i64,
    /// The attempts made so far, this one included.
    pub attempts: u32,
    /// How long its aggregate stays on hold; of no meaning for a dead letter.
    pub delay: Duration,
    /// The code of the error.
    pub error_code: String,
    /// The error with its causes: at most [`MAX_MESSAGE`](Self::MAX_MESSAGE) characters, none of them NUL.
    pub error_message: String,
}

impl Failure {
    /// The longest message that is kept, in characters.
    pub const MAX_MESSAGE: usize = 1000;

    /// A failure by `error`.
    #[must_use]
    pub fn new(
        key: EventKey,
        epoch: i64,
        attempts: u32,
        delay: Duration,
        error: &ServiceError,
    ) -> Self {
        let message = Chain(error).to_string();
        Self {
            key,
            epoch,
            attempts,
            delay,
            error_code: error.code().to_owned(),
            error_message: message
                .chars()
                .filter(|c| *c != '\0')
                .take(Self::MAX_MESSAGE)
                .collect(),
        }
    }
}

/// What [`settle`](crate::OutboxStore::settle) did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// The events that were put on hold. One that is missing was refused: the lease is lost, or the event is gone.
    pub held: Vec<EventKey>,
    /// The events that were moved to the dead letters, likewise.
    pub dead: Vec<EventKey>,
    /// The holds that were ended. One that is missing was refused, or is gone.
    pub released: Vec<EventKey>,
}
