//! What calls into an outage cost, and how they come back from it. Time is paused and chance is seeded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use nova_client::ServiceClient;
use nova_client::circuit_breaker::CircuitOpen;
use nova_client::retry::RetryBudget;
use nova_client::test_util::{Answer, FakeTransport, Outcome};
use nova_errors::{ErrorBody, RetryPolicy, ServiceError};
use nova_models::{CommandResponse, RequestId};
use tokio::time::{Instant, sleep};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use crate::script::{self, SECOND};

/// Of each simulation of an outage.
const CALLS: u32 = 10_000;

/// A target of which a share of the requests fails, by chance.
fn failing(share: f64) -> FakeTransport {
    FakeTransport::from_fn(move |_| {
        if fastrand::f64() < share {
            Outcome::refused()
        } else {
            Answer::success(7).into()
        }
    })
}

/// How many attempts so many calls make, one after the other with `pause` between them.
async fn attempts(
    calls: u32,
    client: &ServiceClient,
    transport: &FakeTransport,
    pause: Duration,
) -> u64 {
    for _ in 0..calls {
        let _ = client.call::<u8>("feed-service", "a", ()).await;
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    transport.count()
}

/// The budget is all that bounds the retries: no floor, no burst, no breaker.
fn bounded_by(ratio: f64, transport: &FakeTransport) -> ServiceClient {
    let budget = RetryBudget::standard().ratio(ratio);
    transport
        .builder("user-service")
        .retry_budget(budget.floor_per_second(0).burst(0))
        .circuit_breaker(None)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn in_a_total_outage_the_retries_are_the_ratio_of_the_calls_at_every_ratio() {
    fastrand::seed(7);
    for percent in (5..=95).step_by(5) {
        let transport = failing(1.0);
        let client = bounded_by(f64::from(percent) / 100.0, &transport);
        let attempts = attempts(CALLS, &client, &transport, Duration::ZERO).await;
        let retries = attempts - u64::from(CALLS);
        let expected = u64::from(CALLS * percent / 100);
        assert!(retries <= expected, "{percent} %: {retries}");
        assert!(
            expected - retries <= expected / 100,
            "{percent} %: {retries}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failures_in_part_are_all_retried_where_the_ratio_covers_them_and_up_to_it_where_not() {
    fastrand::seed(7);
    // Of 5 % and of their retries 5 % again; 30 % ask for more than 20 %.
    for (share, least, most) in [(0.05, 450, 600), (0.3, 1_980, 2_000)] {
        let transport = failing(share);
        let client = bounded_by(0.2, &transport);
        let attempts = attempts(CALLS, &client, &transport, Duration::ZERO).await;
        let retries = attempts - u64::from(CALLS);
        assert!((least..=most).contains(&retries), "{share}: {retries}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_defaults_the_law_holds_at_every_rate_and_share_of_failures() {
    fastrand::seed(7);
    let calls = 3_000;
    for rate in [1, 10, 1_000] {
        for share in [1.0, 0.3, 0.05] {
            let transport = failing(share);
            let builder = transport.builder("user-service").circuit_breaker(None);
            let client = builder.build().unwrap();
            let began = Instant::now();
            let attempts = attempts(calls, &client, &transport, SECOND / rate).await;
            let retries = (attempts - u64::from(calls)) as f64;
            let allowed = 0.2 * f64::from(calls) + 10.0 * began.elapsed().as_secs_f64() + 10.0;
            assert!(
                retries <= allowed,
                "{rate}/s, {share}: {retries} > {allowed}"
            );
            assert!(
                retries >= 0.04 * f64::from(calls),
                "{rate}/s, {share}: {retries}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_under_a_breaker_is_met_with_a_trickle() {
    fastrand::seed(7);
    let transport = failing(1.0);
    let client = script::client(&transport);
    let attempts = attempts(CALLS, &client, &transport, SECOND / 100).await;
    // 100 s: twenty to open it, and one probe for each time that it is half open, 5 to 6 s apart.
    assert!((30..=60).contains(&attempts), "{attempts}");
}

type Relay = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, ServiceError>;

/// A service that calls the next one for each of its requests, and answers with what that says.
fn relay(next: ServiceClient) -> Relay {
    BoxCloneSyncService::new(service_fn(move |request: Request<Bytes>| {
        let next = next.clone();
        async move {
            let id = request.headers()["x-request-id"].to_str().unwrap();
            let id: RequestId = id.parse().unwrap();
            let (status, envelope) = match next.call("next-service", "a", ()).await {
                Ok(reply) => (200, CommandResponse::<u8>::ok(id, reply)),
                Err(error) => (error.http_status(), CommandResponse::failure(id, &error)),
            };
            let body = serde_json::to_vec(&envelope).unwrap();
            let answer = Response::builder().status(status);
            Ok(answer.body(Bytes::from(body)).unwrap())
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn three_services_in_a_chain_do_not_multiply_their_retries() {
    fastrand::seed(7);
    let broken = failing(1.0);
    let budget = RetryBudget::standard().floor_per_second(0).burst(0);
    let client = |source: &str| {
        ServiceClient::builder(source)
            .base_url("http://peer")
            .retry_budget(budget)
            .circuit_breaker(None)
    };
    let third = client("third").transport(broken.clone()).build().unwrap();
    let second = client("second").transport(relay(third)).build().unwrap();
    let first = client("first").transport(relay(second)).build().unwrap();
    for _ in 0..CALLS {
        let call = first.command("second-service", "a", ());
        let error = call.idempotent().send::<u8>().await.unwrap_err();
        assert_eq!(error.attempts(), 1, "the failure came up from below");
        assert!(!ErrorBody::from(&error).retryable);
    }
    let allowed = u64::from(CALLS) * 6 / 5;
    assert!(broken.count() <= allowed, "{}", broken.count());
    assert!(broken.count() >= allowed * 99 / 100, "{}", broken.count());
}

#[tokio::test(start_paused = true)]
async fn all_of_the_traffic_is_back_within_one_probe_interval_of_the_targets_return() {
    /// 5 s, and a fifth by chance.
    const PROBE_INTERVAL: Duration = Duration::from_secs(6);
    fastrand::seed(7);
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let transport = FakeTransport::from_fn(move |_| {
        if away.load(Ordering::SeqCst) {
            Outcome::refused()
        } else {
            Answer::success(7).into()
        }
    });
    let builder = transport.builder("user-service");
    let client = builder.retry(RetryPolicy::never()).build().unwrap();
    let tick = SECOND / 100;
    for _ in 0..3_000 {
        let outcome = client.call::<u8>("feed-service", "a", ()).await;
        assert!(outcome.is_err());
        sleep(tick).await;
    }
    is_away.store(false, Ordering::SeqCst);
    let returned = Instant::now();
    while let Err(error) = client.call::<u8>("feed-service", "a", ()).await {
        assert!(error.find_source::<CircuitOpen>().is_some());
        sleep(tick).await;
    }
    assert!(
        returned.elapsed() <= PROBE_INTERVAL,
        "{:?}",
        returned.elapsed()
    );
    for _ in 0..1_000 {
        assert_eq!(client.call::<u8>("feed-service", "a", ()).await.unwrap(), 7);
        sleep(tick).await;
    }
}
