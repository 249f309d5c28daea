//! Settings that are wrong, and when that shows.

use std::time::Duration;

use nova_client::ServiceClient;
use nova_client::circuit_breaker::CircuitBreaker;
use nova_client::retry::RetryBudget;
use nova_errors::{Effect, ErrorKind, RetryPolicy};

#[tokio::test]
async fn a_bad_url_shows_at_the_first_call_and_keeps_its_credentials_to_itself() {
    let client = ServiceClient::new("user-service", "http://admin:hunter2@host:port");
    let error = client
        .call::<()>("feed-service", "a", ())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.to_string(), "base_url: invalid port number");
    let shown = format!("{error:?} {client:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("admin"), "{shown}");
}

#[tokio::test]
async fn a_bad_source_shows_at_the_first_call() {
    let client = ServiceClient::new("User Service", "http://localhost:1");
    let error = client
        .call::<()>("feed-service", "a", ())
        .await
        .unwrap_err();
    assert_eq!(error.violations()[0].field, "service");
}

#[test]
fn the_builder_names_the_setting_that_is_wrong() {
    let base = || ServiceClient::builder("user-service").base_url("http://localhost:1");
    let zero = Duration::ZERO;
    let faults = [
        (ServiceClient::builder("user-service").build(), "base_url"),
        (base().base_url("localhost").build(), "base_url"),
        (
            base().endpoint("feed-service", "ftp://h").build(),
            "endpoint",
        ),
        (base().endpoint("Feed", "http://h").build(), "service"),
        (base().deadline(zero).build(), "deadline"),
        (base().deadline(Duration::MAX).build(), "deadline"),
        (base().attempt_timeout(zero).build(), "attempt_timeout"),
        (base().connect_timeout(zero).build(), "connect_timeout"),
        (base().max_response_bytes(0).build(), "max_response_bytes"),
        (
            base()
                .retry(RetryPolicy::standard().max_attempts(0))
                .build(),
            "retry.max_attempts",
        ),
        (
            base()
                .retry_budget(RetryBudget::standard().ratio(f64::NAN))
                .build(),
            "retry_budget.ratio",
        ),
        (
            base()
                .circuit_breaker(CircuitBreaker::standard().probes(0))
                .build(),
            "circuit_breaker.probes",
        ),
        (base().concurrency_limit(0).build(), "concurrency_limit"),
        (
            base().concurrency_limit(65_537).build(),
            "concurrency_limit",
        ),
    ];
    for (outcome, field) in faults {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation, "{field}");
        assert_eq!(error.violations()[0].field, field);
    }
}

#[tokio::test]
async fn a_deadline_of_zero_and_a_key_that_no_header_can_hold_are_refused_at_the_call() {
    let client = ServiceClient::new("user-service", "http://localhost:1");
    let call = client.command("feed-service", "a", ());
    let error = call
        .deadline(Duration::ZERO)
        .send::<()>()
        .await
        .unwrap_err();
    assert_eq!(error.violations()[0].field, "deadline");
    let call = client.command("feed-service", "a", ());
    let error = call.idempotency_key("ä").send::<()>().await.unwrap_err();
    assert_eq!(error.violations()[0].field, "idempotency_key");
}

#[tokio::test]
async fn a_command_that_is_no_json_is_refused() {
    let client = ServiceClient::new("user-service", "http://localhost:1");
    let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = client
        .call::<()>("feed-service", "a", keys)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(error.attempts(), 0);
}

#[test]
fn calls_can_be_spawned() {
    fn assert_send<T: Send>(_: &T) {}
    let client = ServiceClient::new("user-service", "http://localhost:1");
    assert_send(&client.call::<std::cell::Cell<u8>>("feed-service", "a", ()));
    fn assert_shared<T: Send + Sync + Clone>() {}
    assert_shared::<ServiceClient>();
}
