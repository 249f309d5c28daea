//! What metrics and traces show of calls.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use metrics_exporter_prometheus::PrometheusBuilder;
use nova_client::circuit_breaker::CircuitBreaker;
use nova_client::telemetry::TelemetryLayer;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_client::{Call, ServiceClient};
use nova_errors::{RetryPolicy, ServiceError};
use nova_models::Deadline;
use tokio::time::{Instant, advance, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::script::{SECOND, answer, client, success};

/// Runs `test` with a recorder of its own and gives back what it recorded, of histograms the counts alone.
fn recorded(test: impl Future<Output = ()>) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(test));
    let text = recorder.handle().render();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_count{") || line.starts_with("nova_"))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The lines of one metric.
fn only(name: &str, recorded: &str) -> String {
    let lines = recorded.lines().filter(|line| line.starts_with(name));
    lines.collect::<Vec<_>>().join("\n")
}

async fn call(client: &ServiceClient) -> Result<u8, ServiceError> {
    let call = client.command("feed-service", "feeds/get", ());
    call.idempotent().send().await
}

#[test]
fn each_attempt_is_a_request_with_its_status_or_its_error() {
    let found = recorded(async {
        let transport = FakeTransport::new([
            answer(503, &[], ""),
            Outcome::lost(),
            success("7"),
            Outcome::silence(),
            success("7"),
            answer(404, &[], ""),
        ]);
        let client = transport.builder("user-service").retry_budget(None);
        let client = client.build().unwrap();
        for _ in 0..3 {
            let _ = call(&client).await;
        }
    });
    insta::assert_snapshot!(only("http_client", &found), @r#"
    http_client_request_duration_count{server_address="peer",server_port="80",http_request_method="POST",error_type="service_unavailable"} 1
    http_client_request_duration_count{server_address="peer",server_port="80",http_request_method="POST",error_type="timeout"} 1
    http_client_request_duration_count{server_address="peer",server_port="80",http_request_method="POST",http_response_status_code="200"} 2
    http_client_request_duration_count{server_address="peer",server_port="80",http_request_method="POST",http_response_status_code="404",error_type="404"} 1
    http_client_request_duration_count{server_address="peer",server_port="80",http_request_method="POST",http_response_status_code="503",error_type="503"} 1
    "#);
}

#[test]
fn a_call_that_is_dropped_is_a_request_that_was_cancelled() {
    let found = recorded(async {
        let transport = FakeTransport::new([Outcome::silence()]);
        let client = client(&transport);
        assert!(timeout(SECOND, call(&client)).await.is_err());
    });
    insta::assert_snapshot!(only("http_client", &found), @r#"http_client_request_duration_count{server_address="peer",server_port="80",http_request_method="POST",error_type="cancelled"} 1"#);
}

#[test]
fn retries_and_the_level_of_the_budget_are_shown_by_target() {
    let found = recorded(async {
        let transport = FakeTransport::from_fn(|_| Outcome::refused());
        let budget = nova_client::retry::RetryBudget::standard();
        let client = transport
            .builder("user-service")
            .retry_budget(budget.ratio(0.5).floor_per_second(0).burst(3))
            .build()
            .unwrap();
        call(&client).await.unwrap_err();
    });
    insta::assert_snapshot!(only("nova_client_", &found), @r#"
    nova_client_breaker_state{server_address="peer",server_port="80",target="feed-service"} 0
    nova_client_budget_level{target="feed-service"} 1.5
    nova_client_retries_total{target="feed-service"} 2
    "#);
}

#[test]
fn the_gauge_of_a_breaker_goes_with_its_state() {
    let states = std::sync::Mutex::new(Vec::new());
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = || {
        let text = recorder.handle().render();
        let line = text
            .lines()
            .find(|line| line.starts_with("nova_client_breaker_state{"));
        let state = line.and_then(|line| line.rsplit(' ').next()?.parse::<u8>().ok());
        states.lock().unwrap().push(state);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let test = async {
        let transport = FakeTransport::new([
            Outcome::refused(),
            success("7").after(SECOND / 10),
            success("7"),
        ]);
        let client = transport
            .builder("user-service")
            .circuit_breaker(CircuitBreaker::standard().min_calls(1).probes(2))
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        shown();
        call(&client).await.unwrap_err();
        shown();
        advance(SECOND * 7).await;
        call(&client).await.unwrap();
        shown();
        call(&client).await.unwrap();
        shown();
    };
    metrics::with_local_recorder(&recorder, || runtime.block_on(test));
    assert_eq!(*states.lock().unwrap(), [None, Some(2), Some(1), Some(0)]);
}

#[test]
fn a_recorder_that_is_installed_after_the_client_was_made_gets_what_comes_then() {
    let transport = FakeTransport::from_fn(|_| success("7"));
    let client = client(&transport);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(call(&client)).unwrap();
    let found = recorded(async {
        call(&client).await.unwrap();
        call(&client).await.unwrap();
    });
    assert!(
        found.contains(r#"http_response_status_code="200"} 2"#),
        "{found}"
    );
}

#[test]
fn a_server_is_named_by_its_address_alone() {
    let found = recorded(async {
        let transport = FakeTransport::from_fn(|_| success("7"));
        let builder = transport.builder("user-service");
        let builder = builder.endpoint("feed-service", "http://[::1]:8084/mesh");
        call(&builder.build().unwrap()).await.unwrap();
    });
    let server = r#"server_address="::1",server_port="8084""#;
    assert!(only("http_client", &found).contains(server), "{found}");
}

#[test]
fn alone_the_layer_names_the_server_it_is_made_for_and_invented_methods_by_one_name() {
    let found = recorded(async {
        let layer = TelemetryLayer::new("https://feed.example:8443/mesh").unwrap();
        let inner = service_fn(async |_: Request<Bytes>| Ok::<_, ServiceError>(Response::new(())));
        let service = nova_client::retry::RetryLayer::new(RetryPolicy::never());
        let mut service = service.layer(layer.layer(inner));
        for method in ["GET", "INVENT", "INVENTED"] {
            let mut request = Request::new(Bytes::new());
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            let deadline = Deadline::after(Instant::now().into_std(), Duration::from_secs(1));
            let ready = service.ready().await.unwrap();
            ready.call(Call::new(request, deadline)).await.unwrap();
        }
    });
    insta::assert_snapshot!(only("http_client", &found), @r#"
    http_client_request_duration_count{server_address="feed.example",server_port="8443",http_request_method="GET",http_response_status_code="200"} 1
    http_client_request_duration_count{server_address="feed.example",server_port="8443",http_request_method="_OTHER",http_response_status_code="200"} 2
    "#);
    let error = TelemetryLayer::new("http://admin:hunter2@feed").unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}
