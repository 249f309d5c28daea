use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use nova_errors::{Origin, ServiceError};
use tokio::time::Instant;

use super::aggregate::Aggregate;
use super::lanes::Queued;
use crate::{OutboxEvent, OutboxPublisher};

/// What became of an event that was let out.
pub(super) struct Publication {
    pub(super) aggregate: Arc<Aggregate>,
    pub(super) queued: Queued,
    pub(super) sent_at: Instant,
    pub(super) result: Result<(), ServiceError>,
}

pub(super) async fn publish(
    publisher: Arc<dyn OutboxPublisher>,
    aggregate: Arc<Aggregate>,
    queued: Queued,
    event: Arc<OutboxEvent>,
    sent_at: Instant,
) -> Publication {
    let limit = publisher.delivery_timeout();
    // A publisher that panics on an event is not to stop the others.
    let sent = AssertUnwindSafe(publisher.publish(&event)).catch_unwind();
    let result = match tokio::time::timeout(limit, sent).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(ServiceError::Internal("publisher panicked".into())),
        Err(_elapsed) => {
            let late = ServiceError::Timeout("no acknowledgement in time".into());
            Err(late.with_origin(Origin::Transport))
        }
    };
    Publication {
        aggregate,
        queued,
        sent_at,
        result,
    }
}
