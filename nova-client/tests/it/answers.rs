//! What an answer means.

use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{Chain, Effect, ErrorBody, ErrorKind, Origin, ServiceError};
use nova_models::{Command, Idempotency};
use serde::Serialize;
use serde_json::json;

use crate::script::{SECOND, answer, client, envelope, failure, success};

async fn call(step: Outcome) -> Result<u8, ServiceError> {
    client(&FakeTransport::new([step]))
        .call("feed-service", "feeds/get", json!({}))
        .await
}

async fn error(step: Outcome) -> ServiceError {
    call(step).await.unwrap_err()
}

#[derive(Serialize)]
struct CountViewers;

impl Command for CountViewers {
    type Reply = u64;
    const TARGET: &'static str = "streaming-service";
    const ENDPOINT: &'static str = "streams/viewers";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;
}

#[tokio::test]
async fn a_typed_command_goes_where_its_type_says() {
    let transport = FakeTransport::new([success("3")]);
    assert_eq!(client(&transport).send(CountViewers).await.unwrap(), 3);
    assert_eq!(
        transport.sent()[0].request.uri().path(),
        "/api/v1/streaming-service/streams/viewers"
    );
}

#[tokio::test]
async fn the_error_of_an_envelope_is_the_peers() {
    let body = r#"{"code":"conflict.username_taken","message":"taken","retryable":false,"effect":"none","retry_after_ms":null,"violations":[{"field":"name","message":"taken"}]}"#;
    let error = error(failure(409, body)).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.code(), "conflict.username_taken");
    assert_eq!(error.origin(), Origin::Remote);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.violations()[0].field, "name");
    assert_eq!(error.attempts(), 1);
}

#[tokio::test]
async fn a_200_whose_envelope_says_failure_is_a_failure() {
    let error = error(failure(200, r#"{"code":"not_found","message":"feed 7"}"#)).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "feed 7");
}

#[tokio::test]
async fn a_first_generation_peer_is_upstream() {
    let error = error(failure(500, r#""db down""#)).await;
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(error.to_string(), "db down");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_success_that_is_no_envelope_of_ours_is_upstream() {
    let foreign = envelope("1").replace("{id}", "another-request");
    let bodies = [
        "",
        "{",
        "3",
        "<html>hello</html>",
        r#"{"viewers":3}"#,
        &envelope(r#""not a number""#),
        &foreign,
    ];
    for body in bodies {
        let error = error(answer(200, &[], body)).await;
        assert_eq!(error.kind(), ErrorKind::Upstream, "{body}");
        assert_eq!(error.effect(), Effect::Unknown, "{body}");
        assert_eq!(error.attempts(), 1);
    }
}

#[tokio::test]
async fn the_failure_of_another_request_is_not_taken_for_ours() {
    let body = r#"{"request_id":"other","success":false,"data":null,"error":{"code":"not_found"},"timestamp":"2025-10-28T00:00:00Z"}"#;
    let error = error(answer(404, &[], body)).await;
    assert_eq!(error.kind(), ErrorKind::Upstream);
}

#[tokio::test]
async fn a_failed_status_with_the_envelope_of_a_success_is_upstream() {
    let error = error(answer(503, &[], &envelope("1"))).await;
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn problem_details_are_read_leniently() {
    let problem = [("content-type", "application/problem+json; charset=utf-8")];
    let body = r#"{"code":"rate_limited","detail":"slow down","status":"x","retryable":true,"retry_after_ms":20,"violations":7}"#;
    let error_of_ours = error(answer(429, &problem, body)).await;
    assert_eq!(error_of_ours.kind(), ErrorKind::RateLimited);
    assert_eq!(error_of_ours.to_string(), "slow down");
    assert_eq!(error_of_ours.retry_after(), Some(SECOND / 50));

    let foreign = error(answer(404, &problem, r#"{"title":"nope"}"#)).await;
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    let broken = error(answer(404, &problem, "{")).await;
    assert_eq!(broken.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_bare_status_of_a_proxy_says_nothing_of_the_effect() {
    let page = "<html><body>Bad Gateway</body></html>";
    for (status, kind) in [
        (502, ErrorKind::ServiceUnavailable),
        (503, ErrorKind::ServiceUnavailable),
        (504, ErrorKind::Timeout),
    ] {
        let error = error(answer(status, &[("content-type", "text/html")], page)).await;
        assert_eq!(error.kind(), kind);
        assert_eq!(error.origin(), Origin::Transport);
        assert_eq!(error.effect(), Effect::Unknown);
        assert_eq!(error.attempts(), 1);
        assert!(!error.to_string().contains("Gateway"));
    }
}

#[tokio::test]
async fn a_redirect_is_an_error() {
    for status in [301, 302, 303, 304, 307, 308] {
        let error = error(answer(status, &[("location", "http://evil/")], "")).await;
        assert_eq!(error.kind(), ErrorKind::Upstream, "{status}");
    }
}

#[tokio::test]
async fn a_message_that_would_flood_the_log_is_cut() {
    let body = format!(
        r#"{{"code":"not_found","message":"{}"}}"#,
        "ä".repeat(100_000)
    );
    let error = error(failure(404, &body)).await;
    assert_eq!(error.to_string().len(), 1024);
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nothing_else_that_a_peer_says_floods_the_log_or_is_handed_on_by_the_megabyte() {
    const FLOOD: usize = 100_000;
    let long = "ä".repeat(FLOOD);
    let problem = [("content-type", "application/problem+json")];
    let of_ours = |rest: &str| format!(r#"{{"code":"validation","message":"m",{rest}}}"#);
    let violation = r#"{"field":"f","message":"m"}"#;
    let many = vec![violation; FLOOD].join(",");
    let many = of_ours(&format!(r#""violations":[{many}]"#));
    let wordy = format!(r#""violations":[{violation},{{"field":"f","message":"{long}"}}]"#);
    let wordy = of_ours(&wordy);
    let answers = [
        success(&format!(r#""{long}""#)),
        answer(502, &problem, &format!(r#"{{"detail":"{long}"}}"#)),
        failure(200, &format!(r#"{{"code":"{long}"}}"#)),
        failure(422, &many),
        answer(422, &problem, &many),
        failure(422, &wordy),
        answer(422, &problem, &wordy),
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        let error = error(answer).await;
        let chain = Chain(&error).to_string();
        assert!(chain.len() < 4096, "{at}: {} bytes", chain.len());
        let body = serde_json::to_string(&ErrorBody::from(&error)).unwrap();
        assert!(body.len() < 200_000, "{at}: {} bytes", body.len());
        assert!(at < 3 || !error.violations().is_empty(), "{at}");
    }
}
