use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Backoff, ErrorKind, RetryPolicy, ServiceError};
use nova_models::HealthState;
use nova_service::{BackgroundWorker, Health, Shutdown, Supervisor, WorkerError, worker_fn};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn supervisor() -> Supervisor {
    let backoff = Backoff::new(Duration::from_millis(10), SECOND).unwrap();
    Supervisor::builder("test-service")
        .restart(RetryPolicy::standard().max_attempts(4).backoff(backoff))
        .stable_after(60 * SECOND)
        .shutdown_deadline(10 * SECOND)
        .build()
        .unwrap()
}

fn transient() -> WorkerError {
    // The worker's word counts, not the kind of the error.
    WorkerError::Transient(ServiceError::Internal("flaky".into()))
}

/// Fails `failures` times, after `each` of work; then runs until it is asked to stop.
fn flaky(failures: u32, each: Duration) -> (Arc<AtomicU32>, impl BackgroundWorker) {
    let starts = Arc::new(AtomicU32::new(0));
    let count = starts.clone();
    let worker = worker_fn("flaky", move |shutdown: Shutdown| {
        let start = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if start < failures {
                tokio::time::sleep(each).await;
                return Err(transient());
            }
            shutdown.requested().await;
            Ok(())
        }
    });
    (starts, worker)
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(3600 * SECOND, wait).await.unwrap();
}

/// Writes its name when it has stopped, `after` it was asked to.
fn stops(
    name: &'static str,
    after: Duration,
    log: &Arc<Mutex<Vec<&'static str>>>,
) -> impl BackgroundWorker + use<> {
    let log = log.clone();
    worker_fn(name, move |shutdown: Shutdown| {
        let log = log.clone();
        async move {
            shutdown.requested().await;
            tokio::time::sleep(after).await;
            log.lock().unwrap().push(name);
            Ok(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_for_a_while_is_started_again() {
    let mut supervisor = supervisor();
    let (starts, worker) = flaky(3, Duration::ZERO);
    supervisor.spawn(worker);
    until(|| starts.load(Ordering::SeqCst) == 4).await;
    supervisor.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_for_a_day_of_patience_does_not_end_the_service() {
    let mut supervisor = supervisor();
    let starts = Arc::new(AtomicU32::new(0));
    let count = starts.clone();
    supervisor.spawn(worker_fn("told", move |shutdown: Shutdown| {
        let start = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if start == 0 {
                let told = ServiceError::RateLimited("quota".into());
                return Err(WorkerError::Transient(
                    told.with_retry_after(86_400 * SECOND),
                ));
            }
            shutdown.requested().await;
            Ok(())
        }
    }));
    let begun = Instant::now();
    until(|| starts.load(Ordering::SeqCst) == 2).await;
    assert!(begun.elapsed() >= RetryPolicy::MAX_RETRY_AFTER);
    supervisor.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_the_attempts_are_spent_the_service_stops_with_the_error() {
    let mut supervisor = supervisor();
    let log = Arc::default();
    supervisor.spawn(stops("other", Duration::ZERO, &log));
    let (starts, worker) = flaky(u32::MAX, Duration::ZERO);
    supervisor.spawn(worker);
    let (_trigger, shutdown) = Shutdown::new();
    let error = supervisor.run(shutdown).await.unwrap_err();
    assert_eq!(error.to_string(), "flaky");
    assert_eq!(starts.load(Ordering::SeqCst), 4);
    assert_eq!(*log.lock().unwrap(), ["other"]);
}

#[tokio::test(start_paused = true)]
async fn the_attempts_count_anew_after_a_worker_ran_well() {
    let mut supervisor = supervisor();
    let (starts, worker) = flaky(20, 61 * SECOND);
    supervisor.spawn(worker);
    until(|| starts.load(Ordering::SeqCst) == 21).await;
    supervisor.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_and_a_panic_stop_the_service_at_once() {
    let (_trigger, shutdown) = Shutdown::new();
    let mut first = supervisor();
    first.spawn(worker_fn("broken", |_| async {
        Err(WorkerError::Fatal(ServiceError::DataLoss("schema".into())))
    }));
    let error = first.run(shutdown.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss);

    let mut second = supervisor();
    second.spawn(worker_fn("buggy", |_| async { panic!("oh no") }));
    let error = second.run(shutdown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(
        nova_errors::Chain(&error).to_string(),
        "worker buggy panicked: panic: oh no"
    );
}

#[tokio::test(start_paused = true)]
async fn workers_stop_in_the_reverse_order_of_their_start() {
    let mut supervisor = supervisor();
    let log = Arc::default();
    for name in ["relay", "consumer", "http"] {
        supervisor.spawn(stops(name, Duration::from_millis(100), &log));
    }
    let (trigger, shutdown) = Shutdown::new();
    trigger.shutdown();
    supervisor.run(shutdown).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["http", "consumer", "relay"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_hangs_is_cut_at_the_deadline_and_holds_up_nobody() {
    let mut supervisor = supervisor();
    let log = Arc::default();
    supervisor.spawn(stops("relay", SECOND, &log));
    supervisor.spawn(worker_fn("stuck", |_| pending()));
    supervisor.spawn(stops("slow", 8 * SECOND, &log));
    let started = Instant::now();
    let error = supervisor.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "workers did not stop within 10s: stuck");
    assert_eq!(started.elapsed(), 10 * SECOND);
    assert_eq!(*log.lock().unwrap(), ["relay", "slow"]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_idempotent() {
    let mut supervisor = supervisor();
    supervisor.spawn(worker_fn("stuck", |_| pending()));
    assert!(supervisor.shutdown().await.is_err());
    supervisor.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_wait_for_a_restart() {
    let mut supervisor = Supervisor::builder("a")
        .restart(
            RetryPolicy::standard().backoff(Backoff::new(3600 * SECOND, 3600 * SECOND).unwrap()),
        )
        .build()
        .unwrap();
    let (starts, worker) = flaky(u32::MAX, Duration::ZERO);
    supervisor.spawn(worker);
    until(|| starts.load(Ordering::SeqCst) == 1).await;
    supervisor.shutdown().await.unwrap();
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_worker_that_holds_the_health_check_is_dropped_with_the_supervisor() {
    let mut supervisor = supervisor();
    let (health, held) = (Arc::new(supervisor.health()), Arc::new(()));
    let holds = (health.clone(), held.clone());
    supervisor.spawn(worker_fn("server", move |shutdown: Shutdown| {
        let _holds = &holds;
        async move {
            shutdown.requested().await;
            Ok(())
        }
    }));
    health().await.unwrap();
    supervisor.shutdown().await.unwrap();
    drop(supervisor);
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(
        health().await.unwrap_err().kind(),
        ErrorKind::ServiceUnavailable
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_supervisor_leaves_no_worker_behind() {
    let alive = Arc::new(());
    let inside = alive.clone();
    let mut supervisor = supervisor();
    supervisor.spawn(worker_fn("worker", move |_| {
        let inside = inside.clone();
        async move {
            let _inside = inside;
            pending().await
        }
    }));
    drop(supervisor);
    until(|| Arc::strong_count(&alive) == 1).await;
}

struct Unwell;

#[async_trait]
impl BackgroundWorker for Unwell {
    fn name(&self) -> &str {
        "unwell"
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        shutdown.requested().await;
        Ok(())
    }

    async fn graceful_shutdown(&self, timeout: Duration) -> Result<(), ServiceError> {
        assert!(timeout <= 10 * SECOND);
        Err(ServiceError::Timeout("flush".into()))
    }

    async fn health_check(&self) -> Result<(), ServiceError> {
        Err(ServiceError::ServiceUnavailable("behind by an hour".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn health_names_the_worker_that_is_unwell_or_waits_for_its_restart() {
    let mut first = supervisor();
    let health = first.health();
    health().await.unwrap();
    let service = Health::new("a", "1").owned("workers", first.health());
    first.spawn(Unwell);
    assert_eq!(
        health().await.unwrap_err().to_string(),
        "worker unwell: behind by an hour"
    );
    let found = service.check().await;
    assert_eq!(found.status, HealthState::Unhealthy);
    assert_eq!(
        found.dependencies["workers"].message.as_deref(),
        Some("worker unwell: behind by an hour")
    );
    first.shutdown().await.unwrap();

    let mut second = supervisor();
    let (_, worker) = flaky(u32::MAX, Duration::ZERO);
    second.spawn(stops("flaky", Duration::ZERO, &Arc::default()));
    second.spawn(worker);
    let (_trigger, shutdown) = Shutdown::new();
    let health = second.health();
    let watch = async {
        loop {
            if let Err(error) = health().await {
                return error.to_string();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let message = tokio::select! {
        message = watch => message,
        _ = second.run(shutdown) => String::new(),
    };
    assert_eq!(message, "worker flaky-2 waits to start again");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let builder = || Supervisor::builder("a");
    let field =
        |built: Result<Supervisor, ServiceError>| built.unwrap_err().violations()[0].field.clone();
    let never = RetryPolicy::standard().max_attempts(0);
    assert_eq!(
        field(builder().restart(never).build()),
        "retry.max_attempts"
    );
    assert_eq!(
        field(builder().stable_after(Duration::ZERO).build()),
        "stable_after"
    );
    assert_eq!(
        field(builder().shutdown_deadline(Duration::MAX).build()),
        "shutdown_deadline"
    );
}
