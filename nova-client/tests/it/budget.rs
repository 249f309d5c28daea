//! The budget of a client.

use nova_client::retry::RetryBudget;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{Effect, ErrorBody};

#[tokio::test(start_paused = true)]
async fn a_call_that_the_budget_stops_fails_with_its_own_error_and_tells_no_caller_to_retry() {
    let transport = FakeTransport::new([Outcome::refused()]);
    let client = transport
        .builder("user-service")
        .retry_budget(RetryBudget::standard().floor_per_second(0).burst(0))
        .build()
        .unwrap();
    let error = client
        .call::<u8>("feed-service", "a", ())
        .await
        .unwrap_err();
    assert_eq!(error.attempts(), 1);
    assert_eq!(error.effect(), Effect::None);
    assert!(error.is_retryable());
    assert!(!ErrorBody::from(&error).retryable);
}

#[tokio::test(start_paused = true)]
async fn one_targets_outage_leaves_the_budget_of_another_alone() {
    let transport = FakeTransport::new((0..4).map(|_| Outcome::refused()));
    let client = transport
        .builder("user-service")
        .retry_budget(
            RetryBudget::standard()
                .ratio(0.0)
                .floor_per_second(0)
                .burst(1),
        )
        .build()
        .unwrap();
    for target in ["feed-service", "auth-service"] {
        let error = client.call::<u8>(target, "a", ()).await.unwrap_err();
        assert_eq!(error.attempts(), 2);
    }
}
