use std::marker::PhantomData;

use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::ServiceError;

use crate::{DomainEvent, Event, EventMetadata, ReceivedRecord};

/// What runs for one event type, whatever its payload.
pub(crate) trait Handler: Send + Sync {
    fn handle<'a>(
        &'a self,
        record: &'a ReceivedRecord,
        metadata: EventMetadata,
    ) -> BoxFuture<'a, Result<(), ServiceError>>;
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
    fn handle<'a>(
        &'a self,
        record: &'a ReceivedRecord,
        metadata: EventMetadata,
    ) -> BoxFuture<'a, Result<(), ServiceError>> {
        async move { (self.function)(record.decode_with(metadata)?).await }.boxed()
    }
}
