use actix_web::dev::Service;
use actix_web::test::{TestRequest, init_service};
use axum::body::Body;
use axum::http::Request;
use metrics_exporter_prometheus::PrometheusBuilder;
use nova_service::ServiceLayer;
use tower::ServiceExt;

use super::handlers::Dropped;
use super::{actix_app, axum_app};
use crate::observed::captured;

const REQUESTS: [(&str, &str); 8] = [
    ("GET", "/posts/1"),
    ("GET", "/posts/2"),
    ("GET", "/posts/x"),
    ("GET", "/limited"),
    ("GET", "/panic"),
    ("GET", "/nowhere/7"),
    ("INVENT", "/posts/1"),
    ("POST", "/api/v1/streaming-service/none"),
];

/// Sends the requests with recorder and subscriber of their own, and gives back the counts and the log.
fn observed(requests: impl Future<Output = ()>) -> (String, String) {
    let (log, _guard) = captured();
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(requests));
    let text = recorder.handle().render();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_count{"))
        .collect();
    lines.sort_unstable();
    (lines.join("\n"), log.text())
}

#[test]
fn the_metrics_and_the_logs_of_both_are_the_same() {
    let layer = || ServiceLayer::new("streaming-service");
    let (counts, log) = observed(async {
        let app = axum_app::app(layer(), Dropped::default());
        for (method, path) in REQUESTS {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("x-request-id", "req-1");
            let request = request.body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap();
        }
    });
    let of_actix = observed(async {
        let app = init_service(actix_app::app(layer(), Dropped::default())).await;
        for (method, path) in REQUESTS {
            let request = TestRequest::with_uri(path).method(method.parse().unwrap());
            let request = request.insert_header(("x-request-id", "req-1"));
            // An `Err` is an answer too.
            let _ = app.call(request.to_request()).await;
        }
    });
    assert_eq!(of_actix.0, counts);
    assert_eq!(counts.lines().count(), 7, "{counts}");
    assert!(
        counts.contains(r#"http_route="/posts/{post_id}""#),
        "{counts}"
    );

    assert_eq!(of_actix.1, log);
    assert_eq!(log.lines().count(), 6, "{log}");
    assert_eq!(log.matches("ERROR http.request").count(), 1, "{log}");
    assert!(
        log.contains("handler panicked: panic: hunter2") && log.contains("req-1"),
        "{log}"
    );
}
