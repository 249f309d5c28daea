//! The circuit breaker in a client.

use nova_client::circuit_breaker::CircuitOpen;
use nova_client::retry::RetryBudget;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{Backoff, Effect, ErrorBody, ErrorKind, RetryPolicy, ServiceError};
use nova_models::Idempotency;
use tokio::time::advance;

use crate::log::logged;
use crate::script::{SECOND, answer, failure, success};

fn client(transport: &FakeTransport) -> nova_client::ServiceClient {
    let builder = transport
        .builder("user-service")
        .retry(RetryPolicy::never());
    builder.build().unwrap()
}

async fn call(client: &nova_client::ServiceClient) -> Result<u8, ServiceError> {
    client.call("feed-service", "a", ()).await
}

fn is_open(outcome: &Result<u8, ServiceError>) -> bool {
    let error = outcome.as_ref().err();
    error.is_some_and(|error| error.find_source::<CircuitOpen>().is_some())
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_sends_nothing_retries_nothing_and_says_so() {
    let script = (0..20).map(|_| Outcome::refused()).chain([success("7")]);
    let transport = FakeTransport::new(script);
    let client = client(&transport);
    let mut last = call(&client).await;
    while !is_open(&last) {
        last = call(&client).await;
    }
    assert_eq!(transport.sent().len(), 20);
    let error = last.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.attempts(), 0);
    assert!(!ErrorBody::from(&error).retryable);
    let other: u8 = client.call("auth-service", "a", ()).await.unwrap();
    assert_eq!(other, 7, "another target has a circuit of its own");
}

#[tokio::test(start_paused = true)]
async fn the_call_that_sees_the_circuit_open_reports_the_failure_before_and_pays_for_what_was_sent()
{
    let quick = Backoff::new(SECOND / 1000, SECOND / 1000).unwrap();
    let transport = FakeTransport::new((0..20).map(|_| Outcome::refused()));
    let budget = RetryBudget::standard().ratio(0.0).floor_per_second(0);
    let client = transport
        .builder("user-service")
        .retry(RetryPolicy::standard().max_attempts(30).backoff(quick))
        .retry_budget(budget.burst(20))
        .build()
        .unwrap();
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.to_string(), "connect");
    assert_eq!(error.attempts(), 20);
    assert_eq!(transport.sent().len(), 20);
    assert!(error.find_source::<CircuitOpen>().is_none());
    let stats = client.stats();
    let target = stats.target("feed-service").unwrap();
    assert_eq!(target.retries, 19);
    assert_eq!(target.retries_available, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_or_closes_says_in_the_log_whose_it_is() {
    let log = logged(async {
        let script = (0..20).map(|_| Outcome::refused());
        let transport = FakeTransport::new(script.chain((0..3).map(|_| success("7"))));
        let client = client(&transport);
        for _ in 0..20 {
            assert!(call(&client).await.is_err());
        }
        advance(7 * SECOND).await;
        for _ in 0..3 {
            assert!(call(&client).await.is_ok());
        }
    })
    .await;
    for change in ["opened", "closed"] {
        let told = format!("circuit breaker {change} circuit=\"feed-service at http://peer\"");
        assert_eq!(log.matches(&told).count(), 1, "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_the_targets_failure_open_nothing() {
    for status in [400, 401, 403, 404, 409, 429, 501] {
        let body = r#"{"code":"not_found"}"#;
        let transport =
            FakeTransport::new((0..40).flat_map(|_| [answer(status, &[], ""), failure(404, body)]));
        let client = client(&transport);
        for _ in 0..80 {
            assert!(!is_open(&call(&client).await), "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_out_counts_even_when_the_callers_deadline_is_shorter() {
    for idempotency in [Idempotency::Unsafe, Idempotency::Safe] {
        let transport = FakeTransport::new((0..20).map(|_| Outcome::silence()));
        let client = client(&transport);
        for _ in 0..20 {
            let call = client.command("feed-service", "a", ());
            let call = call.idempotency(idempotency).deadline(SECOND / 10);
            let error = call.send::<u8>().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
        assert!(is_open(&call(&client).await));
    }
}

#[tokio::test(start_paused = true)]
async fn full_traffic_is_back_within_one_interval_of_the_targets_return() {
    let script = (0..20)
        .map(|_| Outcome::refused())
        .chain((0..200).map(|_| success("7")));
    let transport = FakeTransport::new(script);
    let client = client(&transport);
    for _ in 0..20 {
        assert!(call(&client).await.is_err());
    }
    assert!(is_open(&call(&client).await));
    advance(SECOND * 6 + SECOND / 100).await;
    for _ in 0..200 {
        assert_eq!(call(&client).await.unwrap(), 7);
    }
}
