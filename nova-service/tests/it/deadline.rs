use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get as get_route;
use nova_models::CallContext;
use nova_service::ServiceLayer;
use tokio::time::Instant;

use crate::answer::{Answer, ask};

struct OnDrop(Arc<AtomicU32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// `/hang` never answers and counts when it is dropped; `/left` says what is left of its deadline.
fn app(dropped: &Arc<AtomicU32>) -> Router {
    let dropped = dropped.clone();
    let hang = get_route(move || async move {
        let _guard = OnDrop(dropped);
        pending::<()>().await;
    });
    let left = get_route(|| async {
        let deadline = CallContext::current().and_then(|context| context.deadline);
        let now = Instant::now().into_std();
        format!("{:?}", deadline.map(|deadline| deadline.left(now)))
    });
    Router::new().route("/hang", hang).route("/left", left)
}

async fn call(app: &Router, path: &str, millis: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(millis) = millis {
        request = request.header("x-nova-deadline-ms", millis);
    }
    ask(app, request.body(Body::empty()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_handler_stops_when_its_deadline_is_gone() {
    let dropped = Arc::default();
    let app = ServiceLayer::new("a").wrap(app(&dropped));
    let started = Instant::now();
    let answer = call(&app, "/hang", Some("250")).await;
    assert_eq!(answer.status, 504);
    assert!(
        answer.body.contains(r#""code":"timeout""#),
        "{}",
        answer.body
    );
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!(started.elapsed().as_millis(), 250);
}

#[tokio::test(start_paused = true)]
async fn no_handler_runs_when_the_deadline_was_over_before() {
    let dropped = Arc::default();
    let app = ServiceLayer::new("a").wrap(app(&dropped));
    let answer = call(&app, "/hang", Some("0")).await;
    assert_eq!(answer.status, 504);
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_what_is_left() {
    let app = ServiceLayer::new("a").wrap(app(&Arc::default()));
    assert_eq!(call(&app, "/left", Some("250")).await.body, "Some(250ms)");
    assert_eq!(call(&app, "/left", None).await.body, "None");
}

#[tokio::test(start_paused = true)]
async fn the_longest_deadline_of_the_service_holds_for_all() {
    let layer = ServiceLayer::new("a").max_deadline(Duration::from_secs(2));
    let app = layer.wrap(app(&Arc::default()));
    assert_eq!(call(&app, "/left", None).await.body, "Some(2s)");
    assert_eq!(call(&app, "/left", Some("60000")).await.body, "Some(2s)");
    assert_eq!(call(&app, "/left", Some("100")).await.body, "Some(100ms)");
}
