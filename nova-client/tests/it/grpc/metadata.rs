//! What goes with a call.

use nova_models::{AccessToken, CallContext, TraceContext};
use tonic::Request;

use super::health_service::{HealthService, Step, request, writing};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn context() -> CallContext {
    let mut context = CallContext::new();
    context.request_id = Some("inbound-1".parse().unwrap());
    context.token = Some(AccessToken::new("t0ken"));
    context.trace = Some(TraceContext::parse(PARENT, Some("vendor=1")).unwrap());
    context
}

#[tokio::test(start_paused = true)]
async fn the_context_goes_with_a_call_under_an_id_of_its_own() {
    let service = HealthService::new([Step::Answer]);
    let mut client = writing(&service);
    context().scope(client.check(request())).await.unwrap();
    let received = service.received();
    let has = |name| received[0].header(name);
    assert_eq!(has("x-nova-source"), Some("user-service"));
    assert_eq!(has("x-nova-attempt"), Some("1"));
    assert_eq!(has("authorization"), Some("Bearer t0ken"));
    assert_eq!(has("traceparent"), Some(PARENT));
    assert_eq!(has("tracestate"), Some("vendor=1"));
    let id: uuid::Uuid = has("x-request-id").unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
}

#[tokio::test(start_paused = true)]
async fn without_a_context_there_is_no_token_and_no_trace_is_made_up() {
    let service = HealthService::new([Step::Answer]);
    writing(&service).check(request()).await.unwrap();
    for name in ["authorization", "traceparent", "tracestate"] {
        assert_eq!(service.received()[0].header(name), None, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_call_was_given_stays() {
    let service = HealthService::new([Step::Answer]);
    let mut client = writing(&service);
    let mut own = Request::new(request());
    for (name, value) in [
        ("x-request-id", "mine"),
        ("authorization", "Bearer mine"),
        ("x-other", "1"),
    ] {
        own.metadata_mut().insert(name, value.parse().unwrap());
    }
    context().scope(client.check(own)).await.unwrap();
    let received = service.received();
    assert_eq!(received[0].header("x-request-id"), Some("mine"));
    assert_eq!(received[0].header("authorization"), Some("Bearer mine"));
    assert_eq!(received[0].header("x-other"), Some("1"));
    assert_eq!(received[0].header("traceparent"), Some(PARENT));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_no_header_can_hold_is_refused_and_not_repeated() {
    let service = HealthService::new([]);
    let mut client = writing(&service);
    let mut context = CallContext::new();
    context.token = Some(AccessToken::new("hunter2\r\nx: y"));
    let status = context.scope(client.check(request())).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(!format!("{status:?}").contains("hunter2"));
    assert!(service.received().is_empty());
}
