use std::sync::Arc;

use nova_errors::ServiceError;

use super::store::AdminStore;
use crate::EventFilter;

/// A long operation on dead letters, a batch at a time: see [`OutboxAdmin::replay`](crate::OutboxAdmin::replay) and
/// [`OutboxAdmin::purge`](crate::OutboxAdmin::purge).
///
/// It concerns what was dead when it was begun: what dies meanwhile is left alone, a replayed event that dies again included. Each batch is
/// a transaction of at most [`MAX`](Self::MAX) events. It can be ended after any of them, by not asking for the next, and begun again: what is done
/// does not match any more.
#[derive(Debug)]
#[must_use = "nothing is done until a batch is asked for"]
pub struct Batches {
    store: Arc<dyn AdminStore>,
    work: Work,
    filter: EventFilter,
    size: u32,
    span: Span,
    done: u64,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Replay,
    Purge,
}

/// Which dead letters are left to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// How many there were.
    pub(super) total: u64,
    /// All up to here have been looked at.
    pub(super) after: i64,
    /// The last one.
    pub(super) up_to: i64,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    /// How many were found.
    pub(super) found: i64,
    /// The last one that was found.
    pub(super) last: Option<i64>,
    /// How many something was done with: fewer where somebody else was faster.
    pub(super) done: i64,
}

impl Batches {
    /// How many events a batch can have.
    pub const MAX: u32 = 10_000;

    /// How many it has where nothing is said.
    pub const DEFAULT: u32 = 500;

    pub(super) const fn new(
        store: Arc<dyn AdminStore>,
        work: Work,
        filter: EventFilter,
        span: Span,
    ) -> Self {
        Self {
            store,
            work,
            filter,
            size: Self::DEFAULT,
            is_over: span.total == 0,
            span,
            done: 0,
        }
    }

    /// How many events a batch is to have, from 1 to [`MAX`](Self::MAX): a number beyond them is taken for the nearest.
    pub fn size(mut self, events: u32) -> Self {
        self.size = events.clamp(1, Self::MAX);
        self
    }

    /// How many events it concerned when it was begun.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.span.total
    }

    /// How many events something was done with so far.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// Does the next batch; returns with how many events, and `None` when all is done.
    ///
    /// # Errors
    ///
    /// What the database answers. The batch is then undone, and can be asked for again.
    ///
    /// # Cancel safety
    ///
    /// After a drop the batch is done or not, as a whole. The next call does the rest either way.
    pub async fn next(&mut self) -> Result<Option<u64>, ServiceError> {
        if self.is_over {
            return Ok(None);
        }
        let batch = match self.work {
            Work::Replay => self.store.replay(&self.filter, self.span, self.size).await,
            Work::Purge => self.store.purge(&self.filter, self.span, self.size).await,
        }?;
        self.is_over = batch.found < i64::from(self.size);
        self.span.after = batch.last.unwrap_or(self.span.up_to);
        let done = u64::try_from(batch.done).unwrap_or_default();
        self.done += done;
        Ok(Some(done))
    }
}
