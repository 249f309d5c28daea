use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use nova_errors::ServiceError;
use nova_models::{HealthState, HealthStatus};
use nova_service::{Health, Shutdown};

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
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(())
            }
        })
        .router();
    let path = "/health/ready";
    tokio::join!(get(&app, path), get(&app, path), get(&app, path));
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    tokio::time::advance(Duration::from_millis(999)).await;
    get(&app, path).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    tokio::time::advance(Duration::from_millis(1)).await;
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
