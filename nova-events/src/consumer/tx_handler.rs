use std::marker::PhantomData;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::ServiceError;
use sqlx::Transaction;
use uuid::Uuid;

use super::handler::{Attempt, Handler, Handling, run};
use super::pipeline::STORE_TIMEOUT;
use super::within::within;
use crate::idempotency::{Mark, Marked};
use crate::{ConsumerGroup, DomainEvent, Event, InboxDatabase, SqlInbox};

/// A function over a typed event and the transaction in which the event is marked as handled.
pub(crate) struct TxHandler<T, F, DB: InboxDatabase> {
    function: F,
    inbox: SqlInbox<DB>,
    payload: PhantomData<fn(T)>,
}

impl<T, F, DB: InboxDatabase> TxHandler<T, F, DB> {
    pub(crate) const fn new(function: F, inbox: SqlInbox<DB>) -> Self {
        Self {
            function,
            inbox,
            payload: PhantomData,
        }
    }
}

impl<T, F, DB> Handler for TxHandler<T, F, DB>
where
    T: DomainEvent,
    DB: InboxDatabase,
    F: for<'t> Fn(
            Event<T>,
            &'t mut Transaction<'static, DB>,
        ) -> BoxFuture<'t, Result<(), ServiceError>>
        + Send
        + Sync,
{
    fn is_atomic(&self) -> bool {
        true
    }

    fn handle<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Handling, ServiceError>> {
        async move {
            let event: Event<T> = attempt.record.decode_with(attempt.metadata)?;
            let events = [event.metadata.event_id];
            let mut marked = match begin(&self.inbox, attempt.group, &events).await? {
                Begun::Marked(marked) => marked,
                Begun::Not(handling) => return Ok(handling),
            };
            match marked.marks.as_slice() {
                [Mark::New] => {}
                [Mark::Held(wait)] => {
                    let wait = *wait;
                    roll_back(marked).await;
                    return Ok(Handling::Held(wait));
                }
                _ => {
                    roll_back(marked).await;
                    return Ok(Handling::Duplicate);
                }
            }
            let function = async { (self.function)(event, &mut marked.tx).await };
            if let Err(error) = run(attempt.limit, function).await {
                roll_back(marked).await;
                return Err(error);
            }
            commit(marked).await
        }
        .boxed()
    }
}

/// A transaction with marks, or why there is none.
pub(super) enum Begun<DB: InboxDatabase> {
    Marked(Marked<DB>),
    Not(Handling),
}

pub(super) async fn begin<DB: InboxDatabase>(
    inbox: &SqlInbox<DB>,
    group: &ConsumerGroup,
    events: &[Uuid],
) -> Result<Begun<DB>, ServiceError> {
    match within(STORE_TIMEOUT, inbox.mark(group, events)).await {
        Ok(Ok(marked)) => Ok(Begun::Marked(marked)),
        Ok(Err(error)) if error.is_retryable() => Ok(Begun::Not(Handling::Away(error))),
        Ok(Err(error)) => Err(error),
        // Another's transaction has the row, or the database does not answer.
        Err(_elapsed) => Ok(Begun::Not(Handling::Held(Duration::ZERO))),
    }
}

/// Where the outcome of a commit is not known, the next attempt finds out.
pub(super) async fn commit<DB: InboxDatabase>(
    marked: Marked<DB>,
) -> Result<Handling, ServiceError> {
    match within(STORE_TIMEOUT, marked.commit()).await {
        Ok(Ok(())) => Ok(Handling::Handled),
        Ok(Err(error)) if error.find_source::<sqlx::Error>().is_some_and(is_outage) => {
            Ok(Handling::Away(error))
        }
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Ok(Handling::Away(ServiceError::Timeout("commit".into()))),
    }
}

/// The connection broke, rather than that the database refused.
fn is_outage(error: &sqlx::Error) -> bool {
    !matches!(error, sqlx::Error::Database(_))
}

/// At once rather than when the connection is used next: the lock on the mark is waited for.
pub(super) async fn roll_back<DB: InboxDatabase>(marked: Marked<DB>) {
    if let Ok(Err(error)) = within(STORE_TIMEOUT, marked.rollback()).await {
        tracing::debug!(%error, "a transaction could not be rolled back; the database does it");
    }
}
