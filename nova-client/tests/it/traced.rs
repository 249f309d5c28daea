//! What spans say of calls, by the OpenTelemetry conventions.

use nova_client::ServiceClient;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{RetryPolicy, ServiceError};

use crate::log::{closed, logged};
use crate::script::{answer, client, success};

async fn call(client: &ServiceClient) -> Result<u8, ServiceError> {
    client.call("feed-service", "feeds/get", ()).await
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_a_span_with_its_address_its_outcome_and_its_number() {
    let log = logged(async {
        let transport = FakeTransport::new([Outcome::refused(), success("7")]);
        call(&client(&transport)).await.unwrap();
    });
    let log = log.await;
    let attempts = closed("attempt", &log);
    assert_eq!(attempts.len(), 2, "{log}");
    for (attempt, words) in attempts.iter().zip([
        [
            r#"error.type="service_unavailable""#,
            r#"otel.status_code="ERROR""#,
        ],
        [
            "http.request.resend_count=1",
            "http.response.status_code=200",
        ],
    ]) {
        let to = "url.full=http://peer/api/v1/feed-service/feeds/get";
        assert!(attempt.contains(to), "{attempt}");
        assert!(attempt.contains(r#"otel.kind="client""#), "{attempt}");
        assert!(words.iter().all(|word| attempt.contains(word)), "{attempt}");
    }
    assert!(!attempts[1].contains("ERROR"), "{log}");
    assert!(!attempts[0].contains("resend_count"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_a_span_with_an_error_and_one_that_succeeds_is_not() {
    let log = logged(async {
        let transport = FakeTransport::new([answer(503, &[], ""), success("7")]);
        let client = transport.builder("user-service");
        let client = client.retry(RetryPolicy::never()).build().unwrap();
        call(&client).await.unwrap_err();
        call(&client).await.unwrap();
    });
    let log = log.await;
    let calls = closed("call", &log);
    assert_eq!(calls.len(), 2, "{log}");
    let error = r#"otel.status_code="ERROR" error.type="service_unavailable""#;
    assert!(calls[0].contains(error), "{log}");
    assert!(!calls[1].contains("ERROR"), "{log}");
    let attempts = closed("attempt", &log);
    let error = r#"http.response.status_code=503 otel.status_code="ERROR" error.type="503""#;
    assert!(attempts[0].contains(error), "{log}");
}

#[tokio::test(start_paused = true)]
async fn what_is_malformed_is_a_failed_call_too() {
    let log = logged(async {
        let transport = FakeTransport::from_fn(|_| success("7"));
        let call = client(&transport);
        let call = call.command("feed-service", "../a", ());
        call.send::<u8>().await.unwrap_err();
    });
    let log = log.await;
    let calls = closed("call", &log);
    assert_eq!(calls.len(), 1, "{log}");
    assert!(calls[0].contains(r#"error.type="validation""#), "{log}");
}
