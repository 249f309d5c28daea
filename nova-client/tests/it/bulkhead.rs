//! How many attempts are in flight at a target.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use nova_client::bulkhead::BulkheadLayer;
use nova_client::circuit_breaker::{CircuitBreaker, CircuitOpen};
use nova_client::retry::RetryLayer;
use nova_client::test_util::{FakeTransport, Outcome};
use nova_client::{Attempt, Call, ServiceClient};
use nova_errors::{Effect, ErrorKind, Origin, RetryPolicy, ServiceError};
use nova_models::Deadline;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::script::{SECOND, answer, deadline_ms, envelope, success};

fn one_at_a_time(transport: &FakeTransport) -> ServiceClient {
    transport
        .builder("user-service")
        .concurrency_limit(1)
        .build()
        .unwrap()
}

async fn call(client: &ServiceClient) -> Result<u8, ServiceError> {
    client.call("feed-service", "a", ()).await
}

/// Polls once.
async fn begin(call: impl Future<Output = Result<u8, ServiceError>>) {
    assert!(timeout(Duration::ZERO, call).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_have_no_more_attempts_in_flight_than_the_limit() {
    let in_flight = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&in_flight), Arc::clone(&most));
    let target = service_fn(move |request: Request<Bytes>| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            let here = now.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(here, Ordering::SeqCst);
            sleep(SECOND / 100).await;
            now.fetch_sub(1, Ordering::SeqCst);
            let id = request.headers()["x-request-id"].to_str().unwrap();
            Ok(Response::new(Bytes::from(
                envelope("7").replace("{id}", id),
            )))
        }
    });
    let client = ServiceClient::builder("user-service")
        .base_url("http://peer")
        .transport(target)
        .concurrency_limit(4)
        .build()
        .unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        callers.spawn(async move { call(&client).await });
    }
    for outcome in callers.join_all().await {
        assert_eq!(outcome.unwrap(), 7);
    }
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert_eq!(in_flight.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_its_permit_back_in_flight_and_in_the_queue() {
    let transport = FakeTransport::new([Outcome::silence(), success("7")]);
    let client = one_at_a_time(&transport);
    {
        let mut in_flight = pin!(call(&client));
        begin(in_flight.as_mut()).await;
        let mut queued = pin!(call(&client));
        begin(queued.as_mut()).await;
        assert_eq!(transport.sent().len(), 1);
    }
    let began = Instant::now();
    assert_eq!(call(&client).await.unwrap(), 7);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_its_backoff_leaves_its_permit_to_others() {
    let busy = answer(503, &[("retry-after", "2")], "");
    let transport = FakeTransport::new([busy, success("1"), success("2")]);
    let client = one_at_a_time(&transport);
    let first = client.command("feed-service", "a", ()).idempotent();
    let mut first = pin!(first.send::<u8>());
    begin(first.as_mut()).await;
    assert_eq!(call(&client).await.unwrap(), 1);
    assert_eq!(first.await.unwrap(), 2);
    let sent = transport.sent();
    assert!(sent[1].at - sent[0].at < SECOND / 10);
    assert!(sent[2].at - sent[0].at >= SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_sends_nothing_and_is_no_failure_of_the_target() {
    let transport = FakeTransport::new([Outcome::silence(), success("7")]);
    let client = transport
        .builder("user-service")
        .concurrency_limit(1)
        .circuit_breaker(CircuitBreaker::standard().min_calls(1))
        .build()
        .unwrap();
    {
        let mut holder = pin!(call(&client));
        begin(holder.as_mut()).await;
        let began = Instant::now();
        let waiting = client.command("feed-service", "a", ()).deadline(SECOND);
        let error = waiting.send::<u8>().await.unwrap_err();
        assert!(began.elapsed() >= SECOND && began.elapsed() < SECOND * 2);
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.effect(), Effect::None);
        assert_eq!(error.origin(), Origin::Local);
        assert_eq!(error.attempts(), 0);
        assert_eq!(transport.sent().len(), 1);
    }
    assert_eq!(call(&client).await.unwrap(), 7, "the circuit is closed");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_gets_no_permit_in_time_reports_the_failure_before() {
    let busy = answer(503, &[("retry-after", "1")], "");
    let transport = FakeTransport::new([busy, Outcome::silence()]);
    let client = one_at_a_time(&transport);
    let first = client.command("feed-service", "a", ()).idempotent();
    let mut first = pin!(first.deadline(SECOND * 3).send::<u8>());
    begin(first.as_mut()).await;
    let mut holder = pin!(call(&client));
    begin(holder.as_mut()).await;
    let error = first.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.attempts(), 1);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_permit_takes_nothing_from_the_time_of_the_attempt() {
    let transport = FakeTransport::new([Outcome::silence(), Outcome::silence(), success("7")]);
    let client = one_at_a_time(&transport);
    let holder = client.command("feed-service", "a", ()).deadline(SECOND * 3);
    let waiting = client.command("feed-service", "a", ()).idempotent();
    let (held, waited) = tokio::join!(holder.send::<u8>(), waiting.send::<u8>());
    assert_eq!(held.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(waited.unwrap(), 7);
    let sent = transport.sent();
    assert!(sent[1].at - sent[0].at >= SECOND * 3);
    assert!(sent[2].at - sent[1].at >= SECOND * 2);
    assert!(
        deadline_ms(&sent[1]) <= 7_000,
        "it does count against the call"
    );
}

#[tokio::test(start_paused = true)]
async fn one_targets_permits_are_not_those_of_another() {
    let transport = FakeTransport::new([Outcome::silence(), success("7")]);
    let client = one_at_a_time(&transport);
    let mut holder = pin!(call(&client));
    begin(holder.as_mut()).await;
    let began = Instant::now();
    let other: u8 = client.call("auth-service", "a", ()).await.unwrap();
    assert_eq!(other, 7);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn when_the_circuit_opens_the_whole_queue_is_turned_away_at_once() {
    let transport = FakeTransport::new([Outcome::silence(), Outcome::silence()]);
    let client = transport
        .builder("user-service")
        .concurrency_limit(2)
        .circuit_breaker(CircuitBreaker::standard().min_calls(1))
        .build()
        .unwrap();
    let mut holder = pin!(call(&client));
    begin(holder.as_mut()).await;
    let began = Instant::now();
    let mut callers = JoinSet::new();
    let failing = client.clone();
    callers.spawn(async move {
        let call = failing.command("feed-service", "a", ());
        call.deadline(SECOND).send::<u8>().await
    });
    for _ in 0..20 {
        let client = client.clone();
        callers.spawn(async move { call(&client).await });
    }
    let outcomes = callers.join_all().await;
    let turned_away = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err()?.find_source::<CircuitOpen>());
    assert_eq!(turned_away.count(), 20);
    assert!(began.elapsed() < SECOND + SECOND / 10);
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn alone_under_a_retry_the_wait_ends_with_the_calls_deadline_too() {
    let silent =
        service_fn(async |_: Attempt<()>| std::future::pending::<Result<(), ServiceError>>().await);
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::never()))
        .layer(BulkheadLayer::new(1).unwrap())
        .service(silent);
    let began = Instant::now();
    let within = |time| Call::new((), Deadline::after(Instant::now().into_std(), time));
    let mut holder = pin!(service.clone().oneshot(within(SECOND * 10)));
    assert!(timeout(Duration::ZERO, holder.as_mut()).await.is_err());
    let error = service.oneshot(within(SECOND)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::None);
    assert!(began.elapsed() < SECOND * 2);
}

#[tokio::test]
async fn a_service_that_is_called_before_it_is_ready_sends_nothing_and_says_so() {
    let inner = service_fn(async |_: ()| -> Result<(), ServiceError> { panic!("it was called") });
    let mut service = BulkheadLayer::new(1).unwrap().layer(inner);
    let error = service.call(()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(error.effect(), Effect::None);
}
