//! What is tried again, when, and how often.

use std::time::{Duration, SystemTime};

use nova_client::test_util::{Answer, FakeTransport, Outcome};
use nova_errors::{Effect, ErrorBody, ErrorKind, RetryPolicy, ServiceError};
use nova_models::Idempotency;
use serde_json::Value;
use tokio::time::Instant;

use crate::script::{SECOND, answer, client, failure, success};

const BUSY: &str = r#"{"code":"service_unavailable","message":"busy","retryable":true,"effect":"none","retry_after_ms":null,"violations":[]}"#;

async fn call(transport: &FakeTransport) -> Result<u8, ServiceError> {
    client(transport).call("feed-service", "a", ()).await
}

async fn idempotent(transport: &FakeTransport) -> Result<u8, ServiceError> {
    let client = client(transport);
    let call = client.command("feed-service", "a", ());
    call.idempotent().send().await
}

#[tokio::test(start_paused = true)]
async fn what_never_reached_a_handler_is_tried_again_whatever_it_is() {
    let transport = FakeTransport::new([Outcome::refused(), failure(503, BUSY), success("7")]);
    assert_eq!(call(&transport).await.unwrap(), 7);
    assert_eq!(transport.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_taken_effect_is_tried_again_only_where_that_is_harmless() {
    let lost = || Outcome::failure(ServiceError::ServiceUnavailable("exchange".into()));
    for step in [
        lost as fn() -> Outcome,
        || answer(503, &[], ""),
        || answer(429, &[], ""),
    ] {
        let transport = FakeTransport::new([step()]);
        assert_eq!(call(&transport).await.unwrap_err().attempts(), 1);

        let transport = FakeTransport::new([step(), success("7")]);
        assert_eq!(idempotent(&transport).await.unwrap(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_a_call_idempotent_whatever_its_type_says() {
    let transport = FakeTransport::new([answer(503, &[], ""), success("7")]);
    let client = client(&transport);
    let call = client.command("feed-service", "a", ());
    let call = call.idempotency_key("order-7");
    let call = call.idempotency(Idempotency::Unsafe);
    assert_eq!(call.send::<u8>().await.unwrap(), 7);
    for sent in transport.sent() {
        assert_eq!(sent.request.headers()["idempotency-key"], "\"order-7\"");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stays_is_not_tried_again() {
    let refusals = [
        failure(404, r#"{"code":"not_found"}"#),
        failure(
            503,
            r#"{"code":"service_unavailable","retryable":false,"effect":"none"}"#,
        ),
        answer(500, &[], ""),
        answer(400, &[], ""),
        answer(200, &[], "{"),
    ];
    for step in refusals {
        let transport = FakeTransport::new([step]);
        assert_eq!(idempotent(&transport).await.unwrap_err().attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_counted_and_told_to_no_caller_as_retryable() {
    let transport =
        FakeTransport::new([Outcome::refused(), Outcome::refused(), Outcome::refused()]);
    let error = call(&transport).await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.effect(), Effect::None);
    assert!(error.is_retryable(), "a job may come back later");
    assert!(!ErrorBody::from(&error).retryable, "a caller may not");
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_a_retry_leaves_the_retry_to_the_caller() {
    let transport = FakeTransport::new([Outcome::refused()]);
    let client = transport
        .builder("user-service")
        .retry(RetryPolicy::never())
        .build();
    let error = client
        .unwrap()
        .call::<u8>("feed-service", "a", ())
        .await
        .unwrap_err();
    assert!(ErrorBody::from(&error).retryable);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_is_unknown_stays_unknown_when_a_later_attempt_is_refused() {
    let transport =
        FakeTransport::new([Outcome::silence(), Outcome::refused(), Outcome::refused()]);
    let error = idempotent(&transport).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for() {
    for status in [429, 503] {
        let transport =
            FakeTransport::new([answer(status, &[("retry-after", "1")], ""), success("7")]);
        assert_eq!(idempotent(&transport).await.unwrap(), 7);
        let sent = transport.sent();
        let waited = sent[1].at - sent[0].at;
        assert!(waited >= SECOND, "{waited:?}");
        assert!(waited < SECOND + Duration::from_millis(60), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_beyond_the_time_left_fails_at_once() {
    let transport = FakeTransport::new([answer(503, &[("retry-after", "11")], "")]);
    let began = Instant::now();
    let error = idempotent(&transport).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(error.retry_after(), Some(SECOND * 11));
    assert_eq!(error.attempts(), 1);
    assert!(
        ErrorBody::from(&error).retryable,
        "a caller with more time may"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_effect_is_waited_for_whatever_the_call_is() {
    let limited = r#"{"code":"rate_limited","retryable":true,"effect":"none"}"#;
    for (status, error) in [(429, limited), (503, BUSY)] {
        let refusal = Answer::failed(status, serde_json::from_str::<Value>(error).unwrap());
        let refusal = refusal.header("retry-after", "1");
        let transport = FakeTransport::new([refusal.into(), success("7")]);
        assert_eq!(call(&transport).await.unwrap(), 7);
        let sent = transport.sent();
        assert!(sent[1].at - sent[0].at >= SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_as_a_date_is_measured_by_the_injected_clock() {
    let date = [("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")];
    let transport = FakeTransport::new([answer(503, &date, ""), success("7")]);
    let client = transport
        .builder("user-service")
        .wall_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
        .build()
        .unwrap();
    let call = client.command("feed-service", "a", ());
    assert_eq!(call.idempotent().send::<u8>().await.unwrap(), 7);
    let sent = transport.sent();
    assert!(sent[1].at - sent[0].at >= SECOND * 3);
}

#[tokio::test(start_paused = true)]
async fn garbage_in_retry_after_means_the_usual_backoff() {
    let transport = FakeTransport::new([answer(503, &[("retry-after", "soon")], ""), success("7")]);
    assert_eq!(idempotent(&transport).await.unwrap(), 7);
    let sent = transport.sent();
    assert!(sent[1].at - sent[0].at <= Duration::from_millis(51));
}

#[tokio::test(start_paused = true)]
async fn what_the_envelope_says_of_the_wait_is_finer_than_the_header() {
    let body = r#"{"code":"rate_limited","retryable":true,"retry_after_ms":200}"#;
    let transport = FakeTransport::new([failure(429, body), success("7")]);
    assert_eq!(idempotent(&transport).await.unwrap(), 7);
    let sent = transport.sent();
    let waited = sent[1].at - sent[0].at;
    assert!(waited >= SECOND / 5 && waited < SECOND / 2, "{waited:?}");
}
