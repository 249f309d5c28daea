//! Methods that stream.

use nova_client::grpc::GrpcChannel;
use nova_errors::{ErrorKind, ServiceError};
use nova_models::{CallContext, Deadline};
use tokio::time::Instant;

use super::health_service::{HealthService, WATCH, request, serving, writing};
use crate::script::SECOND;

#[tokio::test(start_paused = true)]
async fn a_stream_passes_by_the_policies_and_its_messages_arrive_while_it_is_open() {
    let service = HealthService::new([]);
    let builder = GrpcChannel::builder("user-service").streaming_methods([WATCH]);
    let mut client = service.connect(builder.deadline(SECOND));
    let mut stream = client.watch(request()).await.unwrap().into_inner();
    for _ in 0..2 {
        assert_eq!(stream.message().await.unwrap(), Some(serving()));
    }
    // Past the deadline of calls, and open still.
    let more = tokio::time::timeout(SECOND * 60, stream.message());
    assert!(more.await.is_err());
    let received = service.received();
    assert_eq!(received[0].header("x-nova-source"), Some("user-service"));
    assert!(received[0].header("x-request-id").is_some());
    assert_eq!(received[0].header("grpc-timeout"), None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_opened_in_a_handler_inherits_its_deadline() {
    let service = HealthService::new([]);
    let builder = GrpcChannel::builder("user-service").streaming_methods([WATCH]);
    let mut client = service.connect(builder);
    let mut context = CallContext::new();
    context.deadline = Some(Deadline::after(Instant::now().into_std(), SECOND));
    context.scope(client.watch(request())).await.unwrap();
    let received = service.received();
    assert_eq!(received[0].header("grpc-timeout"), Some("990000u"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_named_as_one_ends_with_the_deadline() {
    let service = HealthService::new([]);
    let mut client = writing(&service);
    let status = client.watch(request()).await.unwrap_err();
    assert_eq!(ServiceError::from(status).kind(), ErrorKind::Timeout);
}
