//! Retry, budget, deadline, breaker and bulkhead.

use std::time::Duration;

use nova_client::circuit_breaker::{BreakerState, CircuitOpen};
use nova_client::grpc::GrpcChannel;
use nova_client::retry::RetryBudget;
use nova_errors::{Effect, ErrorKind, Origin, RetryPolicy, ServiceError};
use nova_models::{CallContext, Deadline, Idempotency};
use tokio::time::Instant;
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;

use super::health_service::{CHECK, HealthService, Step, reading, request, serving, writing};
use crate::script::SECOND;

fn away() -> Step {
    Step::Fail(Status::unavailable("no healthy upstream"))
}

/// Not idempotent, no retry.
fn once(builder: nova_client::grpc::GrpcChannelBuilder) -> nova_client::grpc::GrpcChannelBuilder {
    builder.retry(RetryPolicy::never())
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_method_is_tried_again_until_it_succeeds() {
    let service = HealthService::new([away(), away(), Step::Answer]);
    let answer = reading(&service).check(request()).await.unwrap();
    assert_eq!(answer.into_inner(), serving());
    let received = service.received();
    let attempts: Vec<_> = received
        .iter()
        .filter_map(|r| r.header("x-nova-attempt"))
        .collect();
    assert_eq!(attempts, ["1", "2", "3"]);
    assert!(received.iter().all(|r| r.service == "feed"));
    let id = received[0].header("x-request-id");
    assert!(id.is_some());
    assert!(received.iter().all(|r| r.header("x-request-id") == id));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_taken_effect_is_not_tried_again_where_the_method_is_not_idempotent() {
    let service = HealthService::new([away()]);
    let status = writing(&service).check(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let error = ServiceError::from(status);
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.origin(), Origin::Transport);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(error.attempts(), 1);
    assert!(error.is_retryable_by_peers());
    assert_eq!(service.received().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_single_call_says_itself_whether_it_is_idempotent() {
    let service = HealthService::new([away(), Step::Answer]);
    let mut safe = Request::new(request());
    safe.extensions_mut().insert(Idempotency::Safe);
    assert!(writing(&service).check(safe).await.is_ok());

    let service = HealthService::new([away()]);
    let mut unsafe_ = Request::new(request());
    unsafe_.extensions_mut().insert(Idempotency::Unsafe);
    assert!(reading(&service).check(unsafe_).await.is_err());
    assert_eq!(service.received().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_service_refused_before_a_handler_ran_is_tried_again_whatever_it_is() {
    let shed = ServiceError::ServiceUnavailable("busy".into()).with_effect(Effect::None);
    let service = HealthService::new([Step::Fail(shed.into()), Step::Answer]);
    assert!(writing(&service).check(request()).await.is_ok());
    assert_eq!(service.received().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_kind_the_code_and_the_reason_are_those_that_the_service_gave() {
    let refusal = ServiceError::Authentication("revoked".into()).with_reason("revoked");
    let service = HealthService::new([Step::Fail(refusal.into())]);
    let status = reading(&service).check(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.message(), "revoked");
    let error = ServiceError::from(status);
    assert_eq!(error.code(), "authentication.revoked");
    assert_eq!(error.origin(), Origin::Remote);
    assert_eq!(error.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_handed_on_tells_no_caller_to_retry_what_was_retried_here() {
    let service = HealthService::new([away(), away(), away()]);
    let status = reading(&service).check(request()).await.unwrap_err();
    assert_eq!(ServiceError::from(status.clone()).attempts(), 3);
    // Over the wire a status has no source.
    let handed_on = Status::with_details(
        status.code(),
        status.message(),
        status.details().to_vec().into(),
    );
    let at_the_caller = ServiceError::from(handed_on);
    assert_eq!(at_the_caller.kind(), ErrorKind::ServiceUnavailable);
    assert!(!at_the_caller.is_retryable());
    assert!(!status.message().contains("upstream"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn retry_info_is_waited_for_and_fails_at_once_where_it_exceeds_the_time_left() {
    let limited = |after| {
        let error = ServiceError::RateLimited("slow down".into()).with_retry_after(after);
        Step::Fail(error.into())
    };
    let service = HealthService::new([limited(SECOND), Step::Answer]);
    assert!(reading(&service).check(request()).await.is_ok());
    let received = service.received();
    let waited = received[1].at - received[0].at;
    assert!(waited >= SECOND && waited < SECOND * 2, "{waited:?}");

    let service = HealthService::new([limited(SECOND * 11)]);
    let mut client = reading(&service);
    let began = Instant::now();
    let error = ServiceError::from(client.check(request()).await.unwrap_err());
    assert_eq!(error.retry_after(), Some(SECOND * 11));
    assert!(began.elapsed() < SECOND / 10);
    assert_eq!(service.received().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_a_timeout_and_not_a_cancellation() {
    let service = HealthService::new([Step::Silence]);
    let began = Instant::now();
    let status = writing(&service).check(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let error = ServiceError::from(status);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(service.received().len(), 1);
    let elapsed = began.elapsed();
    assert!(elapsed.abs_diff(SECOND * 10) < SECOND / 10, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_gives_each_attempt_its_time_and_tells_the_server_what_is_left() {
    let service = HealthService::new([Step::Silence, Step::Silence, Step::Answer]);
    assert!(reading(&service).check(request()).await.is_ok());
    let left: Vec<u64> = service
        .received()
        .iter()
        .map(|r| r.header("grpc-timeout").unwrap().trim_end_matches('u'))
        .map(|micros| micros.parse::<u64>().unwrap() / 1_000_000)
        .collect();
    assert!(left[0] >= 9 && left[1] <= 8 && left[2] <= 6, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn the_earliest_of_the_deadlines_holds() {
    let timed = async |own: Option<Duration>, inherited: Option<Duration>| {
        let service = HealthService::new([Step::Silence]);
        let mut client = writing(&service);
        let mut context = CallContext::new();
        let now = Instant::now();
        context.deadline = inherited.map(|left| Deadline::after(now.into_std(), left));
        let mut request = Request::new(request());
        if let Some(own) = own {
            request.set_timeout(own);
        }
        let status = context.scope(client.check(request)).await.unwrap_err();
        assert_eq!(ServiceError::from(status).kind(), ErrorKind::Timeout);
        now.elapsed()
    };
    let about = |elapsed: Duration, expected: Duration| {
        assert!(elapsed.abs_diff(expected) < SECOND / 20, "{elapsed:?}");
    };
    about(timed(Some(SECOND), None).await, SECOND);
    about(timed(Some(SECOND * 60), None).await, SECOND * 10);
    about(timed(None, Some(SECOND / 2)).await, SECOND * 49 / 100);
    about(timed(Some(SECOND), Some(SECOND * 2)).await, SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_circuit_opens_and_says_so_without_a_request() {
    let service = HealthService::new((0..20).map(|_| away()));
    let mut client = service.connect(once(GrpcChannel::builder("user-service")));
    for _ in 0..20 {
        let error = ServiceError::from(client.check(request()).await.unwrap_err());
        assert!(error.find_source::<CircuitOpen>().is_none());
    }
    let status = client.check(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let error = ServiceError::from(status);
    assert!(error.find_source::<CircuitOpen>().is_some());
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(service.received().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn the_state_of_the_circuit_and_the_level_of_the_budget_can_be_seen() {
    let fake = tower::service_fn(|_: http::Request<tonic::body::Body>| {
        let away = Status::unavailable("away").into_http::<tonic::body::Body>();
        std::future::ready(Ok::<_, std::convert::Infallible>(away))
    });
    let budget = RetryBudget::standard().floor_per_second(0).burst(1);
    let builder = GrpcChannel::builder("user-service").idempotent_methods([CHECK]);
    let channel = builder.retry_budget(budget).build(fake).unwrap();
    assert_eq!(channel.breaker_state(), Some(BreakerState::Closed));
    assert_eq!(channel.retries_available(), Some(1.0));
    let mut client = HealthClient::new(channel.clone());
    for _ in 0..20 {
        let _ = client.check(request()).await.unwrap_err();
    }
    assert_eq!(channel.breaker_state(), Some(BreakerState::Open));
    assert!(channel.retries_available().unwrap() < 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_did_wrong_opens_no_circuit() {
    let service = HealthService::new((0..40).map(|_| Step::Fail(Status::not_found("feed"))));
    let mut client = reading(&service);
    for _ in 0..40 {
        let status = client.check(request()).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
    }
    assert_eq!(service.received().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_the_retries_of_all_clones() {
    let service = HealthService::new((0..10).map(|_| away()));
    let budget = RetryBudget::standard().ratio(0.5);
    let builder = GrpcChannel::builder("user-service")
        .idempotent_methods([CHECK])
        .retry_budget(budget.floor_per_second(0).burst(0));
    let client = service.connect(builder);
    for _ in 0..6 {
        let _ = client.clone().check(request()).await.unwrap_err();
    }
    assert_eq!(service.received().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn no_more_attempts_are_in_flight_than_the_limit() {
    let service = HealthService::new([Step::Silence, Step::Answer]);
    let builder = GrpcChannel::builder("user-service").concurrency_limit(1);
    let mut first = service.connect(builder);
    let mut second = first.clone();
    let began = Instant::now();
    let mut short = Request::new(request());
    short.set_timeout(SECOND);
    let (silent, answered) = tokio::join!(first.check(short), second.check(request()));
    assert_eq!(silent.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(answered.is_ok());
    assert!(began.elapsed() >= SECOND);
    let received = service.received();
    assert!(received[1].at - received[0].at >= SECOND / 2);
}

#[tokio::test]
async fn the_builder_names_the_setting_that_is_wrong() {
    let base = || GrpcChannel::builder("user-service");
    let faults = [
        (
            GrpcChannel::builder("User").connect("http://peer"),
            "service",
        ),
        (base().connect("peer"), "url"),
        (
            base().deadline(Duration::ZERO).connect("http://peer"),
            "deadline",
        ),
        (
            base().deadline(Duration::MAX).connect("http://peer"),
            "deadline",
        ),
        (
            base()
                .attempt_timeout(Duration::ZERO)
                .connect("http://peer"),
            "attempt_timeout",
        ),
        (
            base().max_message_bytes(0).connect("http://peer"),
            "max_message_bytes",
        ),
        (
            base().concurrency_limit(0).connect("http://peer"),
            "concurrency_limit",
        ),
        (
            base()
                .retry_budget(RetryBudget::standard().ratio(2.0))
                .connect("http://peer"),
            "retry_budget.ratio",
        ),
        (
            base().idempotent_methods(["Check"]).connect("http://peer"),
            "idempotent_methods",
        ),
        (
            base().streaming_methods(["/Health"]).connect("http://peer"),
            "streaming_methods",
        ),
    ];
    for (outcome, field) in faults {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation, "{field}");
        assert_eq!(error.violations()[0].field, field);
    }
}
