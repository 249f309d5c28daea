//! What a client says of its targets.

use std::pin::pin;
use std::time::Duration;

use nova_client::ServiceClient;
use nova_client::circuit_breaker::BreakerState;
use nova_client::retry::RetryBudget;
use nova_client::test_util::{FakeTransport, Outcome};
use tokio::time::timeout;

use crate::script::{answer, client, success};

#[tokio::test(start_paused = true)]
async fn only_targets_that_were_called_are_shown() {
    let transport = FakeTransport::new([success("7")]);
    let client = transport
        .builder("user-service")
        .endpoint("auth-service", "http://auth")
        .build()
        .unwrap();
    assert!(client.stats().targets.is_empty());
    let _: u8 = client.call("feed-service", "a", ()).await.unwrap();
    let stats = client.stats();
    assert_eq!(stats.targets.len(), 1);
    assert_eq!(stats.targets[0].target, "feed-service");
    assert!(stats.target("auth-service").is_none());
}

#[tokio::test(start_paused = true)]
async fn calls_attempts_and_retries_are_counted_and_the_budget_shows_what_is_left() {
    let busy = || answer(503, &[], "");
    let transport = FakeTransport::new([busy(), success("7"), busy(), busy(), busy(), busy()]);
    let client = transport
        .builder("user-service")
        .retry_budget(
            RetryBudget::standard()
                .ratio(0.5)
                .floor_per_second(0)
                .burst(3),
        )
        .build()
        .unwrap();
    for _ in 0..2 {
        let call = client.command("feed-service", "a", ());
        let _ = call.idempotent().send::<u8>().await;
    }
    let _ = client.call::<u8>("feed-service", "a", ()).await;
    let stats = client.stats();
    let target = stats.target("feed-service").unwrap();
    assert_eq!((target.calls, target.attempts, target.retries), (3, 6, 3));
    assert_eq!((target.retries_denied, target.rejections), (0, 0));
    assert!((target.retries_available.unwrap() - 1.5).abs() < 1e-9);
    assert_eq!(
        (target.permits_in_use, target.concurrency_limit),
        (None, None)
    );
    let endpoint = &target.endpoints[0];
    assert_eq!(endpoint.url, "http://peer");
    assert_eq!(endpoint.breaker, BreakerState::Closed);
    assert_eq!(endpoint.attempts, 6);
    assert!((endpoint.failure_share.unwrap() - 5.0 / 6.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_holds_a_permit_until_it_is_dropped() {
    let transport = FakeTransport::new([Outcome::silence()]);
    let builder = transport.builder("user-service").concurrency_limit(5);
    let client = builder.retry_budget(None).build().unwrap();
    {
        let mut call = pin!(client.call::<u8>("feed-service", "a", ()));
        assert!(timeout(Duration::ZERO, call.as_mut()).await.is_err());
        let stats = client.stats();
        let target = stats.target("feed-service").unwrap();
        assert_eq!(target.permits_in_use, Some(1));
        assert_eq!(target.concurrency_limit, Some(5));
        assert_eq!(target.retries_available, None);
        assert_eq!(target.endpoints[0].in_flight, 1);
        assert_eq!(target.endpoints[0].failure_share, None);
    }
    let stats = client.stats();
    let target = stats.target("feed-service").unwrap();
    assert_eq!(target.permits_in_use, Some(0));
    assert_eq!(target.endpoints[0].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_an_endpoint_is_closed_whatever_happens() {
    let transport = FakeTransport::from_fn(|_| answer(503, &[], ""));
    let builder = transport.builder("user-service").circuit_breaker(None);
    let client = builder.build().unwrap();
    for _ in 0..1_000 {
        let error = client
            .call::<u8>("feed-service", "a", ())
            .await
            .unwrap_err();
        assert_eq!(error.attempts(), 1);
    }
    let stats = client.stats();
    assert_eq!(stats.targets[0].endpoints[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn of_names_without_number_the_last_share_a_line() {
    let transport = FakeTransport::from_fn(|_| success("7"));
    let client = client(&transport);
    for number in 0..2_000 {
        let target = format!("service-{number}");
        let _: u8 = client.call(&target, "a", ()).await.unwrap();
    }
    let stats = client.stats();
    assert!(stats.targets.len() <= 257, "{}", stats.targets.len());
    assert_eq!(
        stats.targets.iter().map(|target| target.calls).sum::<u64>(),
        2_000
    );
    assert!(stats.target("other").unwrap().calls > 1_000);
}

#[test]
fn a_client_with_a_fault_has_no_targets() {
    let client = ServiceClient::new("user-service", "http://admin:hunter2@host");
    assert!(client.stats().targets.is_empty());
}
