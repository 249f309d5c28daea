use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get as get_route;
use nova_errors::{Effect, ErrorKind, ServiceError};
use nova_models::Deadline;
use nova_service::{Health, LoadShed, LoadShedLayer, Permit, ServiceLayer};
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio::time::{Instant, advance, sleep};

use crate::answer::{Answer, ask, get};
use crate::observed::{captured, recorded};

const MILLI: Duration = Duration::from_millis(1);

fn shed(limit: usize) -> LoadShed {
    LoadShed::new("a", limit).unwrap()
}

/// A request that asks for its place now.
async fn arrive(shed: &LoadShed) -> JoinHandle<Result<Permit, ServiceError>> {
    let shed = shed.clone();
    let task = tokio::spawn(async move { shed.admit(None).await });
    yield_now().await;
    task
}

#[tokio::test(start_paused = true)]
async fn what_is_more_than_the_limit_waits_for_a_moment_and_is_refused_without_an_effect() {
    let shed = shed(1);
    let _running = shed.admit(None).await.unwrap();
    let started = Instant::now();
    let error = shed.admit(None).await.unwrap_err();
    assert_eq!(started.elapsed(), LoadShed::MAX_WAIT);
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.retry_after(), Some(LoadShed::RETRY_AFTER));
    assert_eq!((shed.running(), shed.waiting()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_newest_goes_first_and_where_the_queue_is_full_the_oldest_is_refused() {
    let shed = shed(1).queue(2);
    let running = shed.admit(None).await.unwrap();
    let first = arrive(&shed).await;
    let second = arrive(&shed).await;
    assert_eq!(shed.waiting(), 2);
    let third = arrive(&shed).await;
    assert!(first.await.unwrap().is_err());

    drop(running);
    let running = third.await.unwrap().unwrap();
    assert!(!second.is_finished());
    drop(running);
    drop(second.await.unwrap().unwrap());
    assert_eq!((shed.running(), shed.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_queue_gives_its_place_to_the_next() {
    let shed = shed(1);
    let running = shed.admit(None).await.unwrap();
    let left = arrive(&shed).await;
    left.abort();
    assert!(left.await.is_err());
    assert_eq!(shed.waiting(), 0);

    // The turn has come, but its owner leaves before it looks.
    let stays = arrive(&shed).await;
    let leaves = arrive(&shed).await;
    drop(running);
    leaves.abort();
    assert!(leaves.await.is_err());
    drop(stays.await.unwrap().unwrap());
    assert_eq!((shed.running(), shed.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_might_be_out_of_time_at_its_turn_is_refused_at_once() {
    let shed = shed(1);
    let deadline = |left| Some(Deadline::after(Instant::now().into_std(), left));
    // Nobody has to wait, so that even the shortest time is enough.
    let _running = shed.admit(deadline(MILLI)).await.unwrap();
    let started = Instant::now();
    let error = shed.admit(deadline(LoadShed::MAX_WAIT)).await.unwrap_err();
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(started.elapsed(), Duration::ZERO);
    let longer = LoadShed::MAX_WAIT + MILLI;
    assert!(shed.admit(deadline(longer)).await.is_err());
    assert_eq!(started.elapsed(), LoadShed::MAX_WAIT);
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let error = LoadShed::new("a", 0).unwrap_err();
    assert_eq!(error.violations()[0].field, "limit");
}

/// Counts who runs now, and the most that ever did.
struct Running(Arc<AtomicU32>);

impl Running {
    fn new(now: &Arc<AtomicU32>, most: &AtomicU32) -> Self {
        let count = now.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(count, Ordering::SeqCst);
        Self(now.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_place_is_lost_or_made_up_whatever_the_order() {
    let shed = shed(4).queue(8).max_wait(Duration::from_millis(2));
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut all = JoinSet::new();
    for number in 0..2_000_u64 {
        let (shed, now, most) = (shed.clone(), now.clone(), most.clone());
        let task = all.spawn(async move {
            let Ok(_permit) = shed.admit(None).await else {
                return;
            };
            let _running = Running::new(&now, &most);
            if number % 3 == 0 {
                sleep(Duration::from_micros(number % 7)).await;
            } else {
                yield_now().await;
            }
        });
        if number % 16 == 5 {
            yield_now().await;
            task.abort();
        }
    }
    while all.join_next().await.is_some() {}
    assert!(most.load(Ordering::SeqCst) <= 4);
    assert_eq!((shed.running(), shed.waiting()), (0, 0));
}

/// Offers `rate` requests a second of `work` each for 20 s; how many were served, and how long the median of them waited.
async fn offer(shed: &LoadShed, rate: u32, work: Duration) -> (u32, Duration) {
    let mut all = JoinSet::new();
    let count = rate * 20;
    for _ in 0..count {
        let shed = shed.clone();
        all.spawn(async move {
            let arrived = Instant::now();
            let _permit = shed.admit(None).await.ok()?;
            let waited = arrived.elapsed();
            sleep(work).await;
            Some(waited)
        });
        sleep(Duration::from_secs(1) / rate).await;
    }
    let mut waits: Vec<_> = all.join_all().await.into_iter().flatten().collect();
    waits.sort_unstable();
    (u32::try_from(waits.len()).unwrap(), waits[waits.len() / 2])
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_served_at_capacity_and_most_who_are_served_hardly_wait() {
    // 10 places of 50 ms each: 200 a second.
    let shed = shed(10);
    let (served, median) = offer(&shed, 100, 50 * MILLI).await;
    assert_eq!((served, median), (2_000, Duration::ZERO));

    let (served, median) = offer(&shed, 1_000, 50 * MILLI).await;
    let capacity = 200 * 20;
    assert!(
        (capacity * 98 / 100..=capacity * 102 / 100).contains(&served),
        "{served}"
    );
    assert!(median <= 10 * MILLI, "{median:?}");
}

fn app(shed: LoadShed) -> Router {
    let app = Router::new()
        .route("/hang", get_route(pending::<()>))
        .route("/posts", get_route(|| async { "[]" }))
        .merge(Health::new("a", "1").router())
        .layer(LoadShedLayer::new(shed));
    ServiceLayer::new("a").wrap(app)
}

async fn within(app: &Router, path: &str, millis: &str) -> Answer {
    let request = Request::get(path).header("x-nova-deadline-ms", millis);
    let request = request.header("x-request-id", "req-1");
    ask(app, request.body(Body::empty()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_full_refuses_requests_and_answers_probes() {
    let shed = shed(1);
    let app = app(shed.clone());
    let hang = tokio::spawn({
        let app = app.clone();
        async move { within(&app, "/hang", "1000").await.status }
    });
    yield_now().await;
    assert_eq!(shed.running(), 1);

    let answer = within(&app, "/posts", "50").await;
    assert_eq!(answer.header("retry-after"), "1");
    insta::assert_snapshot!(answer.shown(), @r#"
    503 application/problem+json
    {"type":"about:blank","title":"service unavailable","status":503,"detail":"too much to do","instance":"req-1","code":"service_unavailable.overloaded","retryable":true,"retry_after_ms":1000,"violations":[]}
    "#);
    assert_eq!(get(&app, "/health/ready").await.status, 200);

    // The handler that hangs is stopped by its deadline, which gives its place back.
    assert_eq!(hang.await.unwrap(), 504);
    assert_eq!(within(&app, "/posts", "50").await.status, 200);
    assert_eq!(shed.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_logged_now_and_then_and_not_for_each_request() {
    let (lines, _guard) = captured();
    let shed = shed(1).queue(0);
    let _running = shed.admit(None).await.unwrap();
    let app = app(shed);
    for _ in 0..50 {
        assert_eq!(get(&app, "/posts").await.status, 503);
    }
    let text = lines.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("WARN") && text.contains("refusing requests"),
        "{text}"
    );
    advance(LoadShed::WARN_EVERY).await;
    get(&app, "/posts").await;
    assert_eq!(lines.text().lines().count(), 2);
}

#[test]
fn what_is_refused_is_counted_by_reason() {
    let found = recorded(async {
        let shed = shed(1).queue(1).max_wait(MILLI);
        let _running = shed.admit(None).await.unwrap();
        let now = Instant::now().into_std();
        assert!(shed.admit(Some(Deadline::after(now, MILLI))).await.is_err());
        let (first, second) = tokio::join!(shed.admit(None), shed.admit(None));
        assert!(first.is_err() && second.is_err());
    });
    insta::assert_snapshot!(found, @r#"
    nova_requests_shed_total{service="a",reason="deadline"} 1
    nova_requests_shed_total{service="a",reason="queue_full"} 1
    nova_requests_shed_total{service="a",reason="waited"} 1
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_gives_its_place_back() {
    let shed = shed(1);
    let app = app(shed.clone());
    let call = tokio::time::timeout(MILLI, get(&app, "/hang"));
    assert!(call.await.is_err());
    assert_eq!(shed.running(), 0);
    advance(MILLI).await;
    assert_eq!(get(&app, "/posts").await.status, 200);
}
