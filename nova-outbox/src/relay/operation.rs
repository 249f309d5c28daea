//! Operations on the store: what is asked, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::{Origin, ServiceError};
use tokio::time::Instant;

use crate::{
    Bucket, Lease, Moved, OutboxStore, Outcomes, ReadBatch, ReadRequest, RelayId, Settled, Tenancy,
};

/// What came of an operation, with what it was about.
pub(super) enum Operation {
    Renewed {
        asked_at: Instant,
        tenancy: Result<Tenancy, ServiceError>,
    },
    Released {
        leases: Vec<Lease>,
        result: Result<(), ServiceError>,
    },
    Read {
        asked: Asked,
        took: Duration,
        batch: Result<ReadBatch, ServiceError>,
    },
    Moved {
        limit: u32,
        moved: Result<Moved, ServiceError>,
    },
    Settled {
        outcomes: Outcomes,
        settled: Result<Settled, ServiceError>,
    },
}

/// What a read asks for.
pub(super) struct Asked {
    pub(super) buckets: Vec<Bucket>,
    pub(super) known: Vec<i64>,
    pub(super) skip: Vec<String>,
    pub(super) limit: u32,
    pub(super) due_limit: u32,
    pub(super) max_bytes: usize,
}

/// How long an operation may take: a connection that is dead without saying so is given up.
const TIME_LIMIT: Duration = Duration::from_secs(20);

type Store = Arc<dyn OutboxStore>;
type Pending = BoxFuture<'static, Operation>;

pub(super) fn renew(
    relay: RelayId,
    ttl: Duration,
    asked_at: Instant,
) -> impl FnOnce(Store) -> Pending {
    move |store| {
        async move {
            let tenancy = limited(store.hold_leases(relay, ttl)).await;
            Operation::Renewed { asked_at, tenancy }
        }
        .boxed()
    }
}

pub(super) fn release(relay: RelayId, leases: Vec<Lease>) -> impl FnOnce(Store) -> Pending {
    move |store| {
        async move {
            let result = limited(store.release(relay, &leases)).await;
            Operation::Released { leases, result }
        }
        .boxed()
    }
}

pub(super) fn read(asked: Asked, began: Instant) -> impl FnOnce(Store) -> Pending {
    move |store| {
        async move {
            let request = ReadRequest::new(&asked.buckets, &asked.known, asked.limit)
                .due_limit(asked.due_limit)
                .max_bytes(asked.max_bytes)
                .skip(&asked.skip);
            let batch = limited(store.read(request)).await;
            Operation::Read {
                asked,
                took: began.elapsed(),
                batch,
            }
        }
        .boxed()
    }
}

pub(super) fn move_due(
    relay: RelayId,
    buckets: Vec<Bucket>,
    limit: u32,
) -> impl FnOnce(Store) -> Pending {
    move |store| {
        async move {
            let moved = limited(store.move_due(relay, &buckets, limit)).await;
            Operation::Moved { limit, moved }
        }
        .boxed()
    }
}

pub(super) fn settle(relay: RelayId, outcomes: Outcomes) -> impl FnOnce(Store) -> Pending {
    move |store| {
        async move {
            let settled = limited(store.settle(relay, &outcomes)).await;
            Operation::Settled { outcomes, settled }
        }
        .boxed()
    }
}

pub(super) async fn limited<T>(
    operation: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    limited_to(TIME_LIMIT, operation).await
}

pub(super) async fn limited_to<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    tokio::time::timeout(limit, operation)
        .await
        .unwrap_or_else(|_| {
            let late = ServiceError::Timeout("outbox database".into());
            Err(late.with_origin(Origin::Transport))
        })
}
