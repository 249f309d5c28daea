//! Telemetry is installed for the whole process, so this is one test.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get as get_route, post};
use http_body::Frame;
use http_body_util::StreamBody;
use nova_errors::ErrorKind;
use nova_models::CallContext;
use nova_service::telemetry::{LogFormat, Telemetry, metrics_router};
use nova_service::{ServiceLayer, Shutdown, serve};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::answer::{ask, get};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A collector that hands over what it gets and answers an empty message.
fn collector(got: mpsc::UnboundedSender<Bytes>) -> Router {
    let export = move |body: Bytes| async move {
        got.send(body).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(&[0; 5]))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
        let mut response = Response::new(body);
        let grpc = "application/grpc".parse().unwrap();
        response.headers_mut().insert("content-type", grpc);
        response.into_response()
    };
    Router::new().route(EXPORT, post(export))
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
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
    let server = tokio::spawn(serve(listener, collector(send), shutdown));

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
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
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
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let line = metrics
        .body
        .lines()
        .find(|line| line.contains("_count{") && line.contains("/traced"))
        .unwrap_or_else(|| panic!("{}", metrics.body));
    assert!(
        line.starts_with("http_server_request_duration_seconds_count{"),
        "{line}"
    );
    assert!(
        metrics
            .body
            .contains("http_server_request_duration_seconds_bucket{")
    );

    tokio::time::timeout(Duration::from_secs(30), telemetry.shutdown())
        .await
        .unwrap()
        .unwrap();
    let mut exported = Vec::new();
    while let Ok(body) = received.try_recv() {
        exported.extend_from_slice(&body);
    }
    assert!(holds(&exported, b"GET /traced"));
    assert!(holds(&exported, b"traced-service"));
    let trace_id = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
    assert!(holds(&exported, &trace_id));
    trigger.shutdown();
    server.await.unwrap().unwrap();
}
