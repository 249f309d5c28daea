use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::ServiceError;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::BatchHandler;
use super::within::within;
use crate::{ConsumerGroup, DomainEvent, Event, EventMetadata, ReceivedRecord};

/// What runs for one event type, whatever its payload.
pub(crate) trait Handler: Send + Sync {
    /// Whether it marks the event as handled itself, in the transaction of its effect.
    fn is_atomic(&self) -> bool {
        false
    }

    fn handle<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Handling, ServiceError>>;

    /// Where it takes many events at once.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    fn batch(&self) -> Option<&dyn BatchHandler> {
        None
    }
}

/// What a handler is given.
pub(crate) struct Attempt<'a> {
    pub(crate) record: &'a ReceivedRecord,
    pub(crate) metadata: EventMetadata,
    pub(crate) group: &'a ConsumerGroup,
    /// How long the function may run.
    pub(crate) limit: Duration,
}

/// What came of an attempt that did not fail.
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "of atomic handlers")
)]
pub(crate) enum Handling {
    Handled,
    /// It was handled before.
    Duplicate,
    /// Another one has it: ask again after this time.
    Held(Duration),
    /// The store did not answer, which says nothing about the event.
    Away(ServiceError),
}

/// Runs a user's function: it may panic, and it may not take longer than `limit`.
pub(super) async fn run(
    limit: Duration,
    function: impl Future<Output = Result<(), ServiceError>>,
) -> Result<(), ServiceError> {
    match within(limit, AssertUnwindSafe(function).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(ServiceError::Internal("handler panicked".into())),
        Err(_elapsed) => Err(ServiceError::Timeout("event handler".into())),
    }
}

/// A function over a typed event.
pub(crate) struct TypedHandler<T, F> {
    function: F,
    payload: PhantomData<fn(T)>,
}

impl<T, F> TypedHandler<T, F> {
    pub(crate) const fn new(function: F) -> Self {
        Self {
            function,
            payload: PhantomData,
        }
    }
}

impl<T, F, Fut> Handler for TypedHandler<T, F>
where
    T: DomainEvent,
    F: Fn(Event<T>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<(), ServiceError>> + Send,
{
    fn handle<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Handling, ServiceError>> {
        async move {
            let event = attempt.record.decode_with(attempt.metadata)?;
            // A function that panics before it gives its future panics like one that panics later.
            run(attempt.limit, async { (self.function)(event).await }).await?;
            Ok(Handling::Handled)
        }
        .boxed()
    }
}
