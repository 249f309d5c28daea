use std::time::Duration;

use nova_errors::ServiceError;
use nova_events::{EventParts, NewEvent};
use nova_models::TraceContext;
use uuid::Uuid;

use super::TestOutbox;
use crate::{Bucket, EventKey, Failure, Lease, ReadBatch, ReadRequest, RelayId};

pub(super) const TTL: Duration = Duration::from_secs(600);

/// An event of aggregate `id` that uses every optional field.
pub(super) fn event(id: &str, number: u32) -> NewEvent {
    NewEvent::from_parts(EventParts {
        event_id: Uuid::now_v7(),
        event_type: "content.post.updated".into(),
        aggregate_type: "content".into(),
        aggregate_id: id.to_owned(),
        payload: format!("{{\"number\":{number}}}").into(),
        schema_version: 3,
        created_at: chrono::Utc::now(),
        source: Some("content-service".to_owned()),
        correlation_id: Some("req-1".to_owned()),
        causation_id: Some(Uuid::nil().to_string()),
        trace: Some(TraceContext::new(7, 8, true)),
    })
    .unwrap()
}

/// Takes every bucket for a new relay.
pub(super) async fn relay(outbox: &impl TestOutbox) -> (RelayId, Vec<Lease>) {
    let relay = RelayId::new();
    let tenancy = outbox.store().hold_leases(relay, TTL).await.unwrap();
    (relay, tenancy.leases)
}

/// The epoch under which `key`'s bucket is held.
pub(super) fn epoch(leases: &[Lease], key: EventKey) -> i64 {
    leases
        .iter()
        .find(|lease| lease.bucket == key.bucket)
        .unwrap()
        .epoch
}

/// Reads every bucket from the start.
pub(super) async fn read_all(outbox: &impl TestOutbox) -> ReadBatch {
    let buckets: Vec<_> = Bucket::all().collect();
    let request = ReadRequest::new(&buckets, &[], 10_000);
    outbox.store().read(request).await.unwrap()
}

pub(super) fn failure(key: EventKey, epoch: i64, delay: Duration) -> Failure {
    let error = ServiceError::Internal("publish".into()).with_source("no \0 luck");
    Failure::new(key, epoch, 2, delay, &error)
}
