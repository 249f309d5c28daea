use std::collections::HashSet;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::{Backoff, Chain, ServiceError};
use sqlx::Transaction;
use tokio::time::sleep;
use uuid::Uuid;

use super::handler::{Attempt, Handler, Handling, run};
use super::tx_handler::{Begun, begin, commit, roll_back};
use super::{Outcome, Stop};
use crate::idempotency::Mark;
use crate::{ConsumerGroup, DomainEvent, Event, InboxDatabase, ReceivedRecord, SqlInbox};

/// What takes many records of a partition at once.
pub(crate) trait BatchHandler: Send + Sync {
    /// Sees records through, in their order. Those without an outcome have to be seen through one by one: they
    /// failed, are poison, or come after such a one of the same key.
    fn handle_all<'a>(&'a self, batch: Batch<'a>) -> BoxFuture<'a, Vec<Option<Outcome>>>;
}

/// What a batch handler is given.
pub(crate) struct Batch<'a> {
    pub(crate) records: &'a [&'a ReceivedRecord],
    pub(crate) group: &'a ConsumerGroup,
    /// How long the function may run.
    pub(crate) limit: Duration,
    pub(crate) stop: &'a Stop,
}

/// A function over typed events and the transaction in which all of them are marked as handled.
pub(crate) struct BatchTxHandler<T, F, DB: InboxDatabase> {
    function: F,
    inbox: SqlInbox<DB>,
    payload: PhantomData<fn(T)>,
}

impl<T, F, DB: InboxDatabase> BatchTxHandler<T, F, DB> {
    pub(crate) const fn new(function: F, inbox: SqlInbox<DB>) -> Self {
        Self {
            function,
            inbox,
            payload: PhantomData,
        }
    }
}

impl<T, F, DB> BatchTxHandler<T, F, DB>
where
    T: DomainEvent,
    DB: InboxDatabase,
    F: for<'t> Fn(
            Vec<Event<T>>,
            &'t mut Transaction<'static, DB>,
        ) -> BoxFuture<'t, Result<(), ServiceError>>
        + Send
        + Sync,
{
    /// One transaction: handles the events that are new, and says of each what became of it.
    async fn transact(
        &self,
        group: &ConsumerGroup,
        limit: Duration,
        events: Vec<Event<T>>,
    ) -> Result<Transacted, ServiceError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.metadata.event_id).collect();
        let mut marked = match begin(&self.inbox, group, &ids).await? {
            Begun::Marked(marked) => marked,
            Begun::Not(handling) => return Ok(Transacted::Not(handling)),
        };
        let held = marked.marks.iter().find_map(|mark| match mark {
            Mark::Held(wait) => Some(*wait),
            _ => None,
        });
        if let Some(wait) = held {
            roll_back(marked).await;
            return Ok(Transacted::Not(Handling::Held(wait)));
        }
        let outcomes: Vec<Outcome> = marked
            .marks
            .iter()
            .map(|mark| match mark {
                Mark::New => Outcome::Handled,
                _ => Outcome::Duplicate,
            })
            .collect();
        let new: Vec<Event<T>> = events
            .into_iter()
            .zip(&outcomes)
            .filter_map(|(event, outcome)| (*outcome == Outcome::Handled).then_some(event))
            .collect();
        if new.is_empty() {
            roll_back(marked).await;
            return Ok(Transacted::Done(outcomes));
        }
        let function = async { (self.function)(new, &mut marked.tx).await };
        if let Err(error) = run(limit, function).await {
            roll_back(marked).await;
            return Err(error);
        }
        Ok(match commit(marked).await? {
            Handling::Handled => Transacted::Done(outcomes),
            other => Transacted::Not(other),
        })
    }

    async fn settle(&self, batch: Batch<'_>) -> Vec<Option<Outcome>> {
        let mut settled = Settled::new(batch.records);
        let mut ranges = vec![Range {
            start: 0,
            end: batch.records.len(),
        }];
        let mut failures = 0;
        while let Some(range) = ranges.pop() {
            if batch.stop.is_draining() {
                break;
            }
            let (places, events) = settled.decode(&range);
            if events.is_empty() {
                continue;
            }
            match self.transact(batch.group, batch.limit, events).await {
                Ok(Transacted::Done(outcomes)) => {
                    failures = 0;
                    settled.done(&places, &outcomes);
                }
                Ok(Transacted::Not(Handling::Away(error))) => {
                    failures += 1;
                    tracing::warn!(group = %batch.group, failures, error = %Chain(&error), "a batch waits for its database");
                    let wait = Backoff::STANDARD.delay(failures, fastrand::u64(..));
                    ranges.push(range);
                    if batch.stop.until_drain(sleep(wait)).await.is_none() {
                        break;
                    }
                }
                // A claim holds one of them: only that one has to wait.
                Ok(Transacted::Not(_)) => split(range, &mut ranges, &mut settled),
                Err(error) => {
                    tracing::warn!(group = %batch.group, events = places.len(), error = %Chain(&error), "a batch failed; it is tried in halves");
                    split(range, &mut ranges, &mut settled);
                }
            }
        }
        settled.outcomes
    }
}

/// The first half is tried first, so that each key stays in order.
fn split(range: Range<usize>, ranges: &mut Vec<Range<usize>>, settled: &mut Settled<'_>) {
    if range.len() == 1 {
        settled.leave(range.start);
        return;
    }
    let middle = range.start + range.len() / 2;
    ranges.push(middle..range.end);
    ranges.push(range.start..middle);
}

enum Transacted {
    Done(Vec<Outcome>),
    Not(Handling),
}

/// What became of the records of a batch so far.
struct Settled<'a> {
    records: &'a [&'a ReceivedRecord],
    outcomes: Vec<Option<Outcome>>,
    left: HashSet<usize>,
    /// The keys of which a record was left: nothing behind it may overtake it.
    left_keys: HashSet<&'a Bytes>,
}

impl<'a> Settled<'a> {
    fn new(records: &'a [&'a ReceivedRecord]) -> Self {
        Self {
            records,
            outcomes: vec![None; records.len()],
            left: HashSet::new(),
            left_keys: HashSet::new(),
        }
    }

    fn leave(&mut self, place: usize) {
        self.left.insert(place);
        let record = self.records.get(place);
        self.left_keys
            .extend(record.and_then(|record| record.record().key()));
    }

    /// The events of a range that can still be handled together, and their places.
    fn decode<T: DomainEvent>(&mut self, range: &Range<usize>) -> (Vec<usize>, Vec<Event<T>>) {
        let mut places = Vec::with_capacity(range.len());
        let mut events = Vec::with_capacity(range.len());
        let records = self.records.iter().enumerate();
        for (place, record) in records.skip(range.start).take(range.len()) {
            let key = record.record().key();
            if self.left.contains(&place) || key.is_some_and(|key| self.left_keys.contains(key)) {
                continue;
            }
            match record.decode::<T>() {
                Ok(event) => {
                    places.push(place);
                    events.push(event);
                }
                Err(_poison) => self.leave(place),
            }
        }
        (places, events)
    }

    fn done(&mut self, places: &[usize], outcomes: &[Outcome]) {
        for (place, outcome) in places.iter().zip(outcomes) {
            if let Some(slot) = self.outcomes.get_mut(*place) {
                *slot = Some(*outcome);
            }
        }
    }
}

impl<T, F, DB> BatchHandler for BatchTxHandler<T, F, DB>
where
    T: DomainEvent,
    DB: InboxDatabase,
    F: for<'t> Fn(
            Vec<Event<T>>,
            &'t mut Transaction<'static, DB>,
        ) -> BoxFuture<'t, Result<(), ServiceError>>
        + Send
        + Sync,
{
    fn handle_all<'a>(&'a self, batch: Batch<'a>) -> BoxFuture<'a, Vec<Option<Outcome>>> {
        self.settle(batch).boxed()
    }
}

impl<T, F, DB> Handler for BatchTxHandler<T, F, DB>
where
    T: DomainEvent,
    DB: InboxDatabase,
    F: for<'t> Fn(
            Vec<Event<T>>,
            &'t mut Transaction<'static, DB>,
        ) -> BoxFuture<'t, Result<(), ServiceError>>
        + Send
        + Sync,
{
    fn is_atomic(&self) -> bool {
        true
    }

    /// A batch of one.
    fn handle<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Handling, ServiceError>> {
        async move {
            let event = attempt.record.decode_with(attempt.metadata)?;
            let transacted = self.transact(attempt.group, attempt.limit, vec![event]);
            Ok(match transacted.await? {
                Transacted::Not(handling) => handling,
                Transacted::Done(outcomes) if outcomes == [Outcome::Handled] => Handling::Handled,
                Transacted::Done(_) => Handling::Duplicate,
            })
        }
        .boxed()
    }

    fn batch(&self) -> Option<&dyn BatchHandler> {
        Some(self)
    }
}
