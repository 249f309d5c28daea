use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get as get_route;
use nova_models::CallContext;
use nova_service::ServiceLayer;

use crate::answer::{Answer, ask};

async fn context() -> String {
    let context = CallContext::current().unwrap_or_default();
    format!(
        "id {:?}, subject {:?}, token {:?}, deadline {}, trace {:?}",
        context.request_id.as_deref(),
        context.subject,
        context.token,
        context.deadline.is_some(),
        context
            .trace
            .as_ref()
            .map(|trace| (trace.trace_id(), trace.tracestate())),
    )
}

async fn call(layer: ServiceLayer, headers: &[(&str, &str)]) -> Answer {
    let app = layer.wrap(Router::new().route("/", get_route(context)));
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(&app, request.body(Body::empty()).unwrap()).await
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_handler_runs_in_the_context_of_its_headers_and_takes_no_identity_from_them() {
    let headers = [
        ("x-request-id", "req-1"),
        ("x-nova-deadline-ms", "60000"),
        ("x-nova-source", "user-service"),
        ("x-nova-subject", "admin"),
        ("authorization", "Bearer hunter2"),
        ("traceparent", PARENT),
        ("tracestate", "a=1"),
    ];
    let answer = call(ServiceLayer::new("a"), &headers).await;
    insta::assert_snapshot!(answer.body, @r#"id Some("req-1"), subject None, token None, deadline true, trace Some(("0af7651916cd43dd8448eb211c80319c", Some("a=1")))"#);
}

#[tokio::test]
async fn an_invalid_trace_is_ignored() {
    let answer = call(ServiceLayer::new("a"), &[("traceparent", "00-junk")]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_public_edge_takes_no_context_from_the_caller() {
    let headers = [
        ("x-request-id", "req-1"),
        ("x-nova-deadline-ms", "junk"),
        ("traceparent", PARENT),
    ];
    let answer = call(ServiceLayer::new("gateway").public(), &headers).await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("x-request-id"), "req-1");
    assert!(
        !answer.body.contains("0af7651916cd43dd8448eb211c80319c"),
        "{}",
        answer.body
    );
}
