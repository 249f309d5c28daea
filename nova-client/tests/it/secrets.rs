//! What must not show in a log.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use nova_client::Call;
use nova_client::retry::RetryLayer;
use nova_client::telemetry::TelemetryLayer;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{RetryPolicy, ServiceError};
use nova_models::{AccessToken, CallContext, Deadline};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use crate::log::logged;
use crate::script::{client, success};

#[tokio::test(start_paused = true)]
async fn a_log_of_everything_names_the_call_and_holds_no_token_and_no_command() {
    let log = logged(async {
        let transport = FakeTransport::new([Outcome::refused(), success("7")]);
        let client = client(&transport);
        let mut context = CallContext::new();
        context.request_id = Some("inbound-1".parse().unwrap());
        context.token = Some(AccessToken::new("hunter2"));
        let _: u8 = context
            .scope(client.call("secrets-service", "users/login", "passw0rd"))
            .await
            .unwrap();
    });
    let log = log.await;
    for word in [
        "secrets-service",
        "users/login",
        "inbound-1",
        "service_unavailable",
        "attempt failed, trying again",
    ] {
        assert!(log.contains(word), "{word} in {log}");
    }
    assert!(
        !log.contains("hunter2") && !log.contains("passw0rd"),
        "{log}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_url_of_a_span_holds_neither_credentials_nor_a_query() {
    let log = logged(async {
        let inner = service_fn(async |_: Request<Bytes>| Ok::<_, ServiceError>(Response::new(())));
        let telemetry = TelemetryLayer::new("http://feed:8080").unwrap();
        let service = RetryLayer::new(RetryPolicy::never()).layer(telemetry.layer(inner));
        let request = Request::get("http://admin:hunter2@feed:8080/a/b?signature=passw0rd");
        let request = request.body(Bytes::new()).unwrap();
        let deadline = Deadline::after(Instant::now().into_std(), Duration::from_secs(1));
        service.oneshot(Call::new(request, deadline)).await.unwrap();
    });
    let log = log.await;
    assert!(log.contains("url.full=http://feed:8080/a/b"), "{log}");
    for secret in ["admin", "hunter2", "signature", "passw0rd"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
