//! Telemetry is installed for the whole process, so this is one test.

use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get as get_route;
use nova_errors::ErrorKind;
use nova_models::CallContext;
use nova_service::telemetry::{LogFormat, Telemetry, metrics_router};
use nova_service::{ServiceLayer, Shutdown, serve};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::service::Routes;

use crate::answer::{ask, get};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Hands over what it gets.
struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.clone()?.value
}

fn text(value: &str) -> Option<Value> {
    Some(Value::StringValue(value.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_reach_the_collector_and_metrics_their_route() {
    let unready: Router = metrics_router();
    assert_eq!(get(&unready, "/metrics").await.status, 503);

    for (filter, endpoint, field) in [
        ("info,=,", None, "filter"),
        ("info", Some("collector:4317"), "otlp_endpoint"),
        ("info", Some("http://"), "otlp_endpoint"),
    ] {
        let builder = Telemetry::builder("traced-service")
            .filter(filter)
            .otlp_endpoint(endpoint);
        let error = builder.install().unwrap_err();
        assert_eq!(error.violations()[0].field, field);
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (trigger, shutdown) = Shutdown::new();
    let (send, mut received) = mpsc::unbounded_channel();
    let collector = Routes::new(TraceServiceServer::new(Collector(send)));
    let server = tokio::spawn(serve(listener, collector.into_axum_router(), shutdown));

    let telemetry = Telemetry::builder("traced-service")
        .log_format(LogFormat::Json)
        .otlp_endpoint(Some(endpoint))
        .install()
        .unwrap();
    let again = Telemetry::builder("other").install().unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);

    let handed_on = get_route(|| async {
        let trace = CallContext::current().and_then(|context| context.trace);
        trace
            .map(|trace| format!("{} {:?}", trace.traceparent(), trace.tracestate()))
            .unwrap_or_default()
    });
    let app = Router::new()
        .route("/traced", handed_on)
        .merge(metrics_router());
    let app = ServiceLayer::new("traced-service").wrap(app);
    let request = Request::get("/traced")
        .header("traceparent", PARENT)
        .header("tracestate", "a=1");
    let answer = ask(&app, request.body(Body::empty()).unwrap()).await.body;
    // The same trace, with the span of this request as the parent.
    assert!(
        answer.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{answer}"
    );
    assert!(!answer.contains("b7ad6b7169203331"), "{answer}");
    assert!(answer.ends_with("-01 Some(\"a=1\")"), "{answer}");

    let metrics = get(&app, "/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let name = "http_server_request_duration_seconds";
    let kind = format!("# TYPE {name} histogram");
    assert_eq!(metrics.body.matches(&kind).count(), 1, "{}", metrics.body);
    let labels = r#"service="traced-service",http_request_method="GET",http_response_status_code="200",http_route="/traced""#;
    let count = format!("{name}_count{{{labels}}} 1");
    assert!(
        metrics.body.lines().any(|line| line == count),
        "{}",
        metrics.body
    );
    // The boundaries that the OpenTelemetry conventions advise.
    let bucket = format!("{name}_bucket{{{labels},le=\"");
    let buckets: Vec<_> = metrics
        .body
        .lines()
        .filter_map(|line| line.strip_prefix(&bucket)?.split('"').next())
        .collect();
    assert_eq!(
        buckets.join(" "),
        "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf"
    );

    #[cfg(feature = "grpc")]
    call_by_grpc().await;

    tokio::time::timeout(Duration::from_secs(30), telemetry.shutdown())
        .await
        .unwrap()
        .unwrap();
    let mut found = Vec::new();
    while let Ok(request) = received.try_recv() {
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            assert_eq!(value(&attributes, "service.name"), text("traced-service"));
            let spans = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            found.extend(spans);
        }
    }
    // The caller's span is the parent, and the handler hands on this one.
    let span = only(&found, "GET /traced");
    assert_eq!(answer[36..52], hex(&span.span_id));
    assert_eq!(value(&span.attributes, "http.route"), text("/traced"));
    assert_eq!(value(&span.attributes, "http.request.method"), text("GET"));
    let status = value(&span.attributes, "http.response.status_code");
    assert_eq!(status, Some(Value::IntValue(200)));
    #[cfg(feature = "grpc")]
    {
        let method = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let span = only(&found, method);
        assert_eq!(value(&span.attributes, "rpc.system.name"), text("grpc"));
        let invented = found.iter().filter(|span| span.name.contains("Invented"));
        assert_eq!(invented.count(), 0, "callers can invent names");
        assert_eq!(value(&span.attributes, "rpc.method"), text(method));
        assert_eq!(
            value(&span.attributes, "rpc.response.status_code"),
            text("OK")
        );
    }

    trigger.shutdown();
    server.await.unwrap().unwrap();
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The span of that name, which is a server's and has the caller's as its parent.
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut named = spans.iter().filter(|span| span.name == name);
    let span = named.next().unwrap();
    assert!(named.next().is_none());
    assert_eq!(hex(&span.trace_id), PARENT[3..35]);
    assert_eq!(hex(&span.parent_span_id), PARENT[36..52]);
    assert_eq!(span.kind(), SpanKind::Server);
    span
}

#[cfg(feature = "grpc")]
async fn call_by_grpc() {
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;

    let (send, _received) = mpsc::unbounded_channel();
    let routes = Routes::new(TraceServiceServer::new(Collector(send)));
    let app = nova_service::GrpcLayer::new("traced-service").wrap(routes);
    let mut request = tonic::Request::new(ExportTraceServiceRequest::default());
    let parent = PARENT.parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    TraceServiceClient::new(app.clone())
        .export(request)
        .await
        .unwrap();
    let invented = Request::post("/a.Invented/Service").header("content-type", "application/grpc");
    let answer = ask(&app, invented.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("grpc-status"), "12");
}
