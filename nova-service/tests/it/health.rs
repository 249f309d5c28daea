use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use nova_errors::ServiceError;
use nova_models::{CallContext, HealthState, HealthStatus};
use nova_service::{Health, Shutdown};

use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::answer::{Answer, get};

fn down() -> Result<(), ServiceError> {
    let cause = std::io::Error::other("10.0.0.7 refused");
    Err(ServiceError::ServiceUnavailable("no connection".into()).with_source(cause))
}

fn status(answer: &Answer) -> HealthStatus {
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn health_is_the_model_of_the_wire_contract() {
    let app: Router = Health::new("content-service", "1.2.3")
        .owned("database", || async { Ok(()) })
        .peer("kafka", || async { down() })
        .router();
    let answer = get(&app, "/health/ready").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    insta::assert_snapshot!(answer.shown());
    insta::assert_snapshot!(get(&app, "/health/live").await.shown());
}

#[tokio::test(start_paused = true)]
async fn what_the_service_owns_makes_it_unready_and_a_peer_degrades_it() {
    let app: Router = Health::new("a", "1")
        .owned("database", || async { down() })
        .router();
    let answer = get(&app, "/health/ready").await;
    assert_eq!(
        (answer.status, status(&answer).status),
        (503, HealthState::Unhealthy)
    );
    assert_eq!(get(&app, "/health/live").await.status, 200);

    let app: Router = Health::new("a", "1")
        .peer("kafka", || async { down() })
        .router();
    let answer = get(&app, "/health/ready").await;
    assert_eq!(
        (answer.status, status(&answer).status),
        (200, HealthState::Degraded)
    );
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_time_out_together_and_one_that_panics_has_failed() {
    let app: Router = Health::new("a", "1")
        .timeout(Duration::from_millis(300))
        .peer("hangs", pending)
        .peer("hangs too", pending)
        .peer("panics", || async { panic!("hunter2") })
        .owned("works", || async { Ok(()) })
        .router();
    let answer = get(&app, "/health/ready").await;
    let found = status(&answer);
    assert_eq!((answer.status, found.status), (200, HealthState::Degraded));
    for name in ["hangs", "hangs too"] {
        let dependency = &found.dependencies[name];
        assert_eq!(dependency.latency_ms, 300);
        assert_eq!(
            dependency.message.as_deref(),
            Some("no answer within 300ms")
        );
    }
    assert_eq!(
        found.dependencies["panics"].message.as_deref(),
        Some("internal error")
    );
    assert_eq!(found.dependencies["works"].status, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn the_outcome_holds_for_a_second_and_there_is_one_flight_of_checks() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let app: Router = Health::new("a", "1")
        .owned("database", move || {
            let count = count.clone();
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(100)).await;
                Ok(())
            }
        })
        .router();
    let path = "/health/ready";
    tokio::join!(get(&app, path), get(&app, path), get(&app, path));
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    advance(Duration::from_millis(999)).await;
    get(&app, path).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    advance(Duration::from_millis(1)).await;
    get(&app, path).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_shuts_down_is_not_ready_but_alive() {
    let (trigger, shutdown) = Shutdown::new();
    let app: Router = Health::new("a", "1").shutdown(shutdown).router();
    assert_eq!(get(&app, "/health/ready").await.status, 200);
    trigger.shutdown();
    let answer = get(&app, "/health/ready").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("shutting down"), "{}", answer.body);
    assert_eq!(get(&app, "/health/live").await.status, 200);
}

/// A check that takes `time` and counts how often it was started.
fn slow(
    time: Duration,
) -> (
    Arc<AtomicU32>,
    impl Fn() -> futures::future::BoxFuture<'static, Result<(), ServiceError>> + Send + Sync + 'static,
) {
    let starts = Arc::new(AtomicU32::new(0));
    let count = starts.clone();
    let check = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let check: futures::future::BoxFuture<'static, _> = Box::pin(async move {
            sleep(time).await;
            Ok(())
        });
        check
    };
    (starts, check)
}

#[tokio::test(start_paused = true)]
async fn a_hundred_probes_at_a_time_start_the_checks_once_a_second() {
    let (starts, check) = slow(Duration::from_millis(100));
    let app: Router = Health::new("a", "1").owned("database", check).router();
    let begun = Instant::now();
    let mut probes = JoinSet::new();
    for number in 0..100_u64 {
        let app = app.clone();
        probes.spawn(async move {
            sleep(Duration::from_millis(number)).await;
            while begun.elapsed() < Duration::from_secs(10) {
                assert_eq!(get(&app, "/health/ready").await.status, 200);
                sleep(Duration::from_millis(37)).await;
            }
        });
    }
    probes.join_all().await;
    // Each outcome holds for a second from its end, which is 100 ms after its start.
    let starts = starts.load(Ordering::SeqCst);
    assert!((9..=10).contains(&starts), "{starts}");
}

#[tokio::test(start_paused = true)]
async fn probes_that_give_up_do_not_start_the_checks_again() {
    let (starts, check) = slow(Duration::from_millis(500));
    let health = Health::new("a", "1").owned("database", check);
    for _ in 0..20 {
        let impatient = timeout(Duration::from_millis(20), health.check()).await;
        assert!(impatient.is_err());
    }
    assert_eq!(starts.load(Ordering::SeqCst), 1);
    let found = health.check().await;
    assert_eq!(found.dependencies["database"].latency_ms, 500);
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_may_have_a_time_out_of_its_own() {
    let health = Health::new("a", "1")
        .timeout(Duration::from_millis(100))
        .owned_within(
            "database",
            Duration::from_millis(300),
            slow(Duration::from_millis(200)).1,
        )
        .peer_within("cache", Duration::from_millis(20), pending)
        .peer("kafka", pending);
    let begun = Instant::now();
    let found = health.check().await;
    assert_eq!(found.status, HealthState::Degraded);
    let latency = |name: &str| found.dependencies[name].latency_ms;
    assert_eq!(
        (latency("database"), latency("cache"), latency("kafka")),
        (200, 20, 100)
    );
    assert_eq!(begun.elapsed(), Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_flaps_is_as_its_last_check_found_it() {
    let up = Arc::new(AtomicBool::new(false));
    let health = Health::new("a", "1").owned("database", {
        let up = up.clone();
        move || {
            let up = up.fetch_xor(true, Ordering::SeqCst);
            async move { if up { Ok(()) } else { down() } }
        }
    });
    for _ in 0..5 {
        for expected in [HealthState::Unhealthy, HealthState::Healthy] {
            // A second probe within the second sees the same.
            for _ in 0..2 {
                assert_eq!(health.check().await.status, expected);
            }
            advance(Health::CACHE).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dependency_said_shows_to_nobody() {
    let app: Router = Health::new("a", "1")
        .owned("database", || async { down() })
        .peer("panics", || async { panic!("hunter2") })
        .peer("broken", || async {
            Err(ServiceError::Internal("hunter2".into()))
        })
        .router();
    let body = get(&app, "/health/ready").await.body;
    assert!(body.contains("no connection"), "{body}");
    assert!(
        !body.contains("10.0.0.7") && !body.contains("hunter2"),
        "{body}"
    );
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_outcome_until_one_is_changed() {
    let (starts, check) = slow(Duration::ZERO);
    let health = Health::new("a", "1").owned("database", check);
    let (same, other) = (
        health.clone(),
        health.clone().peer("kafka", || async { down() }),
    );
    assert_eq!(health.check().await.status, HealthState::Healthy);
    assert_eq!(same.check().await.status, HealthState::Healthy);
    assert_eq!(starts.load(Ordering::SeqCst), 1);
    assert_eq!(other.check().await.status, HealthState::Degraded);
    assert_eq!(starts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn checks_see_nothing_of_the_request_that_asked_and_end_with_the_last_clone() {
    let held = Arc::new(());
    let health = Health::new("a", "1").owned("database", {
        let held = held.clone();
        move || {
            let held = held.clone();
            let seen = CallContext::current();
            async move {
                assert!(seen.is_none() && CallContext::current().is_none());
                sleep(Duration::from_millis(500)).await;
                drop(held);
                Ok(())
            }
        }
    });
    let asked = CallContext::new().scope(health.check());
    assert_eq!(asked.await.status, HealthState::Healthy);

    advance(Health::CACHE).await;
    let probe = timeout(Duration::from_millis(1), health.check()).await;
    assert!(probe.is_err());
    drop(health);
    let ended = async {
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_millis(100), ended).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_while_the_checks_run_counts() {
    let (trigger, shutdown) = Shutdown::new();
    let (_, check) = slow(Duration::from_millis(100));
    let app: Router = Health::new("a", "1")
        .owned("database", check)
        .shutdown(shutdown)
        .router();
    let probe = tokio::spawn(async move { get(&app, "/health/ready").await.status });
    sleep(Duration::from_millis(50)).await;
    trigger.shutdown();
    assert_eq!(probe.await.unwrap(), 503);
}
