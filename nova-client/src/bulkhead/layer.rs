use std::sync::Arc;

use nova_errors::{ServiceError, Violation};
use tokio::sync::Semaphore;
use tower_layer::Layer;

use super::Bulkhead;

/// Makes a [`Bulkhead`] of a service. What one layer makes shares one limit.
#[derive(Debug, Clone)]
pub struct BulkheadLayer {
    permits: Arc<Semaphore>,
}

impl BulkheadLayer {
    /// The highest limit that can be set: 65 536, about as many connections as one address has ports for.
    pub const MAX_LIMIT: usize = 65_536;

    /// At most `limit` requests in flight, 1 to [`MAX_LIMIT`](Self::MAX_LIMIT).
    ///
    /// # Errors
    ///
    /// `Validation` where the limit is out of its range.
    pub fn new(limit: usize) -> Result<Self, ServiceError> {
        Self::validate(limit)?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(limit)),
        })
    }

    pub(crate) fn validate(limit: usize) -> Result<(), ServiceError> {
        if (1..=Self::MAX_LIMIT).contains(&limit) {
            return Ok(());
        }
        let violation = Violation::new(
            "concurrency_limit",
            format!("expected 1 to {}, got {limit}", Self::MAX_LIMIT),
        );
        Err(ServiceError::Validation(violation.into()))
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Bulkhead<S> {
        Bulkhead::new(inner, Some(Arc::clone(&self.permits)))
    }
}
