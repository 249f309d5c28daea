use nova_errors::ErrorKind;
use nova_events::NewEvent;
use nova_events::social::FollowCreated;
use nova_models::CallContext;
use nova_outbox::{Bucket, Outbox, OutboxStore, ReadRequest};
use sqlx::Sqlite;
use uuid::Uuid;

use crate::sample::event;
use crate::service::Service;

fn follow() -> FollowCreated {
    FollowCreated {
        follower_id: Uuid::now_v7(),
        followee_id: Uuid::now_v7(),
        created_at: chrono::Utc::now(),
    }
}

async fn stored(service: &Service<Sqlite>) -> Vec<NewEvent> {
    let buckets: Vec<_> = Bucket::all().collect();
    let request = ReadRequest::new(&buckets, &[], 10_000);
    let mut rows = service.repository().read(request).await.unwrap().events;
    rows.sort_by_key(|row| row.key.seq);
    rows.into_iter().map(|row| row.event.unwrap()).collect()
}

#[tokio::test]
async fn a_typed_event_carries_the_source_and_the_call_that_it_belongs_to() {
    let service = Service::sqlite().await;
    let mut context = CallContext::new();
    context.request_id = Some("req-7".parse().unwrap());
    let mut tx = service.pool.begin().await.unwrap();
    let payload = follow();
    context
        .scope(service.outbox.enqueue(&mut tx, &payload))
        .await
        .unwrap();
    service.outbox.commit(tx).await.unwrap();
    let stored = stored(&service).await;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].source(), Some("content-service"));
    assert_eq!(stored[0].correlation_id(), Some("req-7"));
    assert_eq!(
        stored[0].payload().as_ref(),
        serde_json::to_vec(&payload).unwrap()
    );
}

#[tokio::test]
async fn what_is_rolled_back_was_never_enqueued() {
    let service = Service::sqlite().await;
    let mut tx = service.pool.begin().await.unwrap();
    service.outbox.enqueue(&mut tx, &follow()).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(service.stats().await.pending, 0);
}

#[tokio::test]
async fn a_large_batch_keeps_its_order() {
    let service = Service::sqlite().await;
    let sent: Vec<_> = (0..5_000).map(|number| event("a", number)).collect();
    service.enqueue(sent.clone()).await;
    let ids = |events: &[NewEvent]| events.iter().map(NewEvent::event_id).collect::<Vec<_>>();
    assert_eq!(ids(&stored(&service).await), ids(&sent));
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_with_both_sizes_and_the_transaction_goes_on() {
    let service = Service::sqlite().await;
    let mut parts = event("a", 1).into_parts();
    parts.payload = vec![b' '; 900 * 1024 + 1].into();
    let large = NewEvent::from_parts(parts).unwrap();
    let mut tx = service.pool.begin().await.unwrap();
    let error = service.outbox.enqueue(&mut tx, large).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
    assert!(
        error.to_string().contains("921601 bytes, at most 921600"),
        "{error}"
    );
    service.outbox.enqueue(&mut tx, &follow()).await.unwrap();
    service.outbox.commit(tx).await.unwrap();
    assert_eq!(service.stats().await.pending, 1);
}

#[tokio::test]
async fn a_bad_event_is_refused_before_the_database_sees_it_and_nothing_of_its_batch_is_inserted() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Bad(String);
    impl nova_events::DomainEvent for Bad {
        const EVENT_TYPE: &'static str = "content.bad";
        const AGGREGATE_TYPE: &'static str = "content";
        fn aggregate_id(&self) -> String {
            self.0.clone()
        }
    }
    let service = Service::sqlite().await;
    let mut tx = service.pool.begin().await.unwrap();
    for id in ["", "a\0b"] {
        let batch = [Bad("good".to_owned()), Bad(id.to_owned())];
        let error = service
            .outbox
            .enqueue_all(&mut tx, &batch)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation, "{id:?}");
        assert_eq!(error.violations()[0].field, "aggregate_id");
    }
    service
        .outbox
        .enqueue(&mut tx, &Bad("good".to_owned()))
        .await
        .unwrap();
    service.outbox.commit(tx).await.unwrap();
    assert_eq!(service.stats().await.pending, 1);
}

#[tokio::test]
async fn nothing_is_done_for_no_events() {
    let service = Service::sqlite().await;
    service.enqueue([]).await;
    assert_eq!(service.stats().await.pending, 0);
}

#[test]
fn an_outbox_out_of_its_bounds_is_not_built() {
    let field = |error: nova_errors::ServiceError| error.violations()[0].field.clone();
    for bytes in [0, NewEvent::MAX_PAYLOAD + 1] {
        let built = Outbox::<Sqlite>::builder("a").max_payload(bytes).build();
        assert_eq!(field(built.unwrap_err()), "max_payload");
    }
    assert!(Outbox::<Sqlite>::builder("Not A Name").build().is_err());
}
