use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::ServiceError;

use crate::EventRecord;

/// Where records go out: Kafka, or a recording stand-in in tests.
///
/// Publishing has two steps, so that callers pipeline: the first takes the record in order, the future
/// that it gives resolves when the record is acknowledged.
#[async_trait]
pub trait EventPublisher: Send + Sync + 'static {
    /// Takes a record. Records go out in the order in which they were taken.
    ///
    /// # Errors
    ///
    /// Where the record was not taken; nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the record was not taken.
    async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError>;
}

#[async_trait]
impl<P: EventPublisher + ?Sized> EventPublisher for Arc<P> {
    async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError> {
        (**self).publish(record).await
    }
}

/// Where an acknowledged record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The partition.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
}

impl Delivery {
    /// A delivery to `offset` of `partition`.
    #[must_use]
    pub const fn new(partition: i32, offset: i64) -> Self {
        Self { partition, offset }
    }
}

/// Resolves when a record that was taken is acknowledged, or given up.
///
/// Dropping it does not take the record back.
#[must_use = "whether the record arrived is known when this resolves"]
pub struct DeliveryFuture(BoxFuture<'static, Result<Delivery, ServiceError>>);

impl DeliveryFuture {
    /// Wraps what a publisher waits for.
    pub fn new(
        delivery: impl Future<Output = Result<Delivery, ServiceError>> + Send + 'static,
    ) -> Self {
        Self(delivery.boxed())
    }
}

impl Future for DeliveryFuture {
    type Output = Result<Delivery, ServiceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(cx)
    }
}

impl fmt::Debug for DeliveryFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryFuture").finish_non_exhaustive()
    }
}
