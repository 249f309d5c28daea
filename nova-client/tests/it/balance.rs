//! Several endpoints of a target.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Uri;
use nova_client::circuit_breaker::{BreakerState, CircuitBreaker, CircuitOpen};
use nova_client::test_util::{FakeTransport, Outcome};
use nova_client::{ServiceClient, ServiceClientBuilder};
use nova_errors::{Effect, ErrorBody, ErrorKind, RetryPolicy, ServiceError};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, timeout};

use crate::script::{SECOND, answer, success};

const URLS: [&str; 3] = ["http://a:1", "http://b:2/mesh", "http://c:3"];

fn builder(transport: &FakeTransport) -> ServiceClientBuilder {
    ServiceClient::builder("user-service")
        .endpoints("feed-service", URLS)
        .transport(transport.clone())
}

fn host(uri: &Uri) -> &str {
    uri.host().unwrap()
}

/// A transport to hosts, of which some are away.
fn hosts(away: impl Fn(&str) -> bool + Send + Sync + 'static) -> FakeTransport {
    FakeTransport::from_fn(move |request| match away(host(request.uri())) {
        true => Outcome::lost(),
        false => success("7"),
    })
}

fn received(transport: &FakeTransport) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for sent in transport.sent() {
        *counts
            .entry(host(sent.request.uri()).to_owned())
            .or_default() += 1;
    }
    counts
}

async fn call(client: &ServiceClient) -> Result<u8, ServiceError> {
    client.call("feed-service", "a", ()).await
}

async fn idempotent(client: &ServiceClient) -> Result<u8, ServiceError> {
    let call = client.command("feed-service", "a", ());
    call.idempotent().send().await
}

fn is_open(error: &ServiceError) -> bool {
    error.find_source::<CircuitOpen>().is_some()
}

fn breakers(client: &ServiceClient) -> Vec<BreakerState> {
    let stats = client.stats();
    let endpoints = &stats.target("feed-service").unwrap().endpoints;
    endpoints.iter().map(|endpoint| endpoint.breaker).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failing_endpoint_is_ejected_and_no_idempotent_call_sees_it() {
    fastrand::seed(7);
    let transport = hosts(|host| host == "b");
    let client = builder(&transport).build().unwrap();
    for _ in 0..300 {
        assert_eq!(idempotent(&client).await.unwrap(), 7);
    }
    let received = received(&transport);
    assert_eq!(received["b"], 20, "as many as it takes to open the circuit");
    assert_eq!(received["a"] + received["c"], 300);
    assert!(received["a"] > 100 && received["c"] > 100, "{received:?}");
    let open = [
        BreakerState::Closed,
        BreakerState::Open,
        BreakerState::Closed,
    ];
    assert_eq!(breakers(&client), open);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_recovers_gets_its_share_again() {
    fastrand::seed(7);
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let transport = hosts(move |host| host == "b" && is_away.load(Ordering::Relaxed));
    let client = builder(&transport).build().unwrap();
    for _ in 0..300 {
        idempotent(&client).await.unwrap();
    }
    away.store(false, Ordering::Relaxed);
    let before = received(&transport)["b"];
    advance(SECOND * 6 + SECOND / 100).await;
    for _ in 0..300 {
        assert_eq!(call(&client).await.unwrap(), 7);
    }
    let share = received(&transport)["b"] - before;
    assert!((50..150).contains(&share), "{share}");
    assert_eq!(breakers(&client), [BreakerState::Closed; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_endpoint() {
    let transport = hosts(|_| true);
    let client = builder(&transport).retry_budget(None).build().unwrap();
    for _ in 0..5 {
        let error = idempotent(&client).await.unwrap_err();
        assert_eq!(error.attempts(), 3);
    }
    for attempts in transport.sent().chunks(3) {
        for pair in attempts.windows(2) {
            assert_ne!(pair[0].request.uri(), pair[1].request.uri());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_the_same_endpoint_where_there_is_no_other() {
    let transport = FakeTransport::new([Outcome::lost(), success("7")]);
    let client = builder(&transport).endpoint("feed-service", "http://d:4");
    assert_eq!(idempotent(&client.build().unwrap()).await.unwrap(), 7);
    assert_eq!(received(&transport)["d"], 2);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_keeps_to_the_address_of_its_endpoint() {
    let transport = hosts(|_| true);
    let client = builder(&transport).retry_budget(None).build().unwrap();
    for _ in 0..5 {
        idempotent(&client).await.unwrap_err();
    }
    for sent in transport.sent() {
        let uri = sent.request.uri().to_string();
        let addresses = URLS.map(|url| format!("{url}/api/v1/feed-service/a"));
        assert!(addresses.contains(&uri), "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_are_open_a_call_fails_at_once_and_takes_nothing_from_the_budget() {
    let transport = hosts(|_| true);
    let breaker = CircuitBreaker::standard().min_calls(2);
    let client = builder(&transport).circuit_breaker(breaker);
    let client = client.retry(RetryPolicy::never()).build().unwrap();
    while !is_open(&call(&client).await.unwrap_err()) {}
    assert_eq!(transport.count(), 6);
    assert_eq!(breakers(&client), [BreakerState::Open; 3]);

    let before = client.stats();
    let began = Instant::now();
    let again = client.command("feed-service", "a", ()).idempotent();
    let error = again
        .retry(RetryPolicy::standard())
        .send::<u8>()
        .await
        .unwrap_err();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(is_open(&error));
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.attempts(), 0);
    assert!(!ErrorBody::from(&error).retryable);
    assert_eq!(transport.count(), 6);
    let (before, after) = (&before.targets[0], client.stats());
    assert_eq!(after.targets[0].retries_available, before.retries_available);
    assert_eq!(after.targets[0].rejections, before.rejections + 1);
    assert_eq!(after.targets[0].attempts, before.attempts);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_finds_all_open_reports_the_failure_before() {
    let transport = hosts(|_| true);
    let breaker = CircuitBreaker::standard().min_calls(1);
    let client = builder(&transport).circuit_breaker(breaker);
    let policy = RetryPolicy::standard().max_attempts(10);
    let client = client.retry(policy).retry_budget(None).build().unwrap();
    let error = idempotent(&client).await.unwrap_err();
    assert!(!is_open(&error));
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(received(&transport).len(), 3, "each was tried once");
    let stats = client.stats();
    let target = stats.target("feed-service").unwrap();
    assert_eq!((target.calls, target.retries, target.rejections), (1, 2, 1));
}

/// Opens all three circuits and waits until they may be probed.
async fn ready_to_be_probed(transport: &FakeTransport, probes: u16) -> ServiceClient {
    let breaker = CircuitBreaker::standard().min_calls(1).probes(probes);
    let client = builder(transport).circuit_breaker(breaker);
    let client = client.retry(RetryPolicy::never()).build().unwrap();
    while !is_open(&call(&client).await.unwrap_err()) {}
    advance(SECOND * 7).await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_send_no_more_probes_than_there_may_be() {
    let in_flight = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&in_flight);
    let transport = FakeTransport::from_fn(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0..3 => Outcome::lost(),
        _ => success("7").after(SECOND),
    });
    let client = ready_to_be_probed(&transport, 2).await;
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        callers.spawn(async move { call(&client).await });
    }
    let outcomes = callers.join_all().await;
    assert_eq!(transport.count(), 3 + 6);
    let turned_away = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert_eq!(turned_away.filter(|error| is_open(error)).count(), 94);
    assert_eq!(breakers(&client), [BreakerState::Closed; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_its_place_to_another() {
    let sent = AtomicUsize::new(0);
    let transport = FakeTransport::from_fn(move |_| match sent.fetch_add(1, Ordering::SeqCst) {
        0..3 => Outcome::lost(),
        _ => Outcome::silence(),
    });
    let client = ready_to_be_probed(&transport, 1).await;
    for _ in 0..50 {
        let mut probes: Vec<_> = (0..3).map(|_| Box::pin(call(&client))).collect();
        for probe in &mut probes {
            assert!(timeout(Duration::ZERO, probe).await.is_err());
        }
        assert_eq!(in_flight(&client), 3);
        assert!(is_open(&call(&client).await.unwrap_err()));
        drop(probes);
        assert_eq!(in_flight(&client), 0);
    }
    assert_eq!(transport.count(), 3 + 150);
}

fn in_flight(client: &ServiceClient) -> u64 {
    let stats = client.stats();
    let endpoints = &stats.target("feed-service").unwrap().endpoints;
    endpoints.iter().map(|endpoint| endpoint.in_flight).sum()
}

#[tokio::test(start_paused = true)]
async fn a_time_out_counts_against_its_endpoint_even_when_the_callers_deadline_is_shorter() {
    let transport = FakeTransport::from_fn(|_| Outcome::silence());
    let breaker = CircuitBreaker::standard().min_calls(2);
    let client = builder(&transport)
        .circuit_breaker(breaker)
        .build()
        .unwrap();
    for _ in 0..100 {
        let call = client.command("feed-service", "a", ());
        let _ = call.deadline(SECOND / 10).send::<u8>().await;
    }
    assert_eq!(transport.count(), 6);
}

#[tokio::test(start_paused = true)]
async fn the_busier_endpoint_of_two_gets_no_more() {
    let first = AtomicBool::new(true);
    let transport = FakeTransport::from_fn(move |_| match first.swap(false, Ordering::Relaxed) {
        true => Outcome::silence(),
        false => success("7"),
    });
    let two = ServiceClient::builder("user-service")
        .endpoints("feed-service", ["http://a", "http://b"])
        .transport(transport.clone());
    let client = two.build().unwrap();
    let mut slow = pin!(call(&client));
    assert!(timeout(Duration::ZERO, slow.as_mut()).await.is_err());
    for _ in 0..50 {
        assert_eq!(call(&client).await.unwrap(), 7);
    }
    let mut counts: Vec<_> = received(&transport).into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 50]);
}

#[tokio::test(start_paused = true)]
async fn budget_and_permits_are_the_targets_not_the_endpoints() {
    let transport = FakeTransport::from_fn(|_| answer(503, &[], ""));
    let budget = nova_client::retry::RetryBudget::standard();
    let client = builder(&transport)
        .retry_budget(budget.ratio(0.0).floor_per_second(0).burst(4))
        .concurrency_limit(1)
        .build()
        .unwrap();
    for _ in 0..6 {
        idempotent(&client).await.unwrap_err();
    }
    let stats = client.stats();
    let target = stats.target("feed-service").unwrap();
    assert_eq!(
        (target.calls, target.retries, target.retries_denied),
        (6, 4, 4)
    );
    assert_eq!(transport.count(), 10);
}

#[test]
fn endpoints_are_bounded_and_checked() {
    let with = |urls: Vec<String>| {
        let builder = ServiceClient::builder("user-service").endpoints("feed-service", urls);
        builder.build()
    };
    let many = |count: usize| {
        (0..count)
            .map(|at| format!("http://h{at}"))
            .collect::<Vec<_>>()
    };
    assert!(with(many(64)).is_ok());
    for urls in [many(0), many(65)] {
        let error = with(urls).unwrap_err();
        assert_eq!(error.violations()[0].field, "endpoints");
        assert_eq!(error.effect(), Effect::None);
    }
    let error = with(vec!["http://h".into(), "http://a:hunter2@h".into()]).unwrap_err();
    assert_eq!(error.violations()[0].field, "endpoint");
    assert!(!format!("{error:?}").contains("hunter2"));
}
