//! The budget in outages of a target.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nova_client::retry::{RetryBudget, RetryLayer};
use nova_client::{Attempt, Call};
use nova_errors::{Effect, ErrorBody, RetryPolicy, ServiceError};
use nova_models::Deadline;
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::fake_transport::{FakeTransport, refused};

const CALLS: u64 = 10_000;

/// Calls, a failing share of them at random, one after the other with `pause` between; how many retries there were.
async fn retries(budget: RetryBudget, failing: f64, pause: Duration) -> u64 {
    let attempts = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&attempts);
    let target = service_fn(move |_: Attempt<()>| {
        count.fetch_add(1, Ordering::Relaxed);
        let failed = fastrand::f64() < failing;
        std::future::ready(if failed {
            Err(ServiceError::ServiceUnavailable("away".into()))
        } else {
            Ok(())
        })
    });
    let mut service = ServiceBuilder::new()
        .layer(
            RetryLayer::new(RetryPolicy::standard())
                .budget(budget)
                .unwrap(),
        )
        .service(target);
    for _ in 0..CALLS {
        let deadline = Deadline::after(Instant::now().into_std(), Duration::from_secs(60));
        let call = Call::new((), deadline).idempotent(true);
        let _ = service.ready().await.unwrap().call(call).await;
        tokio::time::sleep(pause).await;
    }
    attempts.load(Ordering::Relaxed) - CALLS
}

#[tokio::test(start_paused = true)]
async fn in_a_total_outage_the_retries_are_the_ratio_of_the_calls() {
    fastrand::seed(7);
    for percent in (5..=95).step_by(5) {
        let ratio = f64::from(percent) / 100.0;
        let budget = RetryBudget::standard()
            .ratio(ratio)
            .floor_per_second(0)
            .burst(0);
        let made = retries(budget, 1.0, Duration::ZERO).await as f64;
        let expected = ratio * CALLS as f64;
        assert!(
            (made - expected).abs() <= expected / 100.0,
            "{percent}: {made}"
        );
        assert!(made <= expected);
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_defaults_the_law_holds_at_every_rate_and_share_of_failures() {
    fastrand::seed(7);
    for rate in [1_u32, 10, 1_000] {
        for failing in [1.0, 0.3, 0.05] {
            let began = Instant::now();
            let pause = Duration::from_secs(1) / rate;
            let made = retries(RetryBudget::standard(), failing, pause).await as f64;
            let allowed = 0.2 * CALLS as f64 + 10.0 * began.elapsed().as_secs_f64() + 10.0;
            assert!(made <= allowed, "{rate}/s, {failing}: {made} > {allowed}");
            assert!(made >= 0.04 * CALLS as f64, "{rate}/s, {failing}: {made}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_budget_stops_fails_with_its_own_error_and_tells_no_caller_to_retry() {
    let transport = FakeTransport::new([refused()]);
    let client = transport
        .builder()
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
    let transport = FakeTransport::new((0..4).map(|_| refused()));
    let client = transport
        .builder()
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
