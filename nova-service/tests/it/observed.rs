//! What logs and metrics show of requests.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{get as get_route, post};
use metrics_exporter_prometheus::PrometheusBuilder;
use nova_errors::ServiceError;
use nova_service::{Health, Json, Path, ServiceLayer, Shutdown, Supervisor, worker_fn};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::answer::{ask, get};

#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What is logged on this thread, as long as the guard lives.
pub(crate) fn captured() -> (Lines, DefaultGuard) {
    // Where there is but one subscriber, `tracing` asks only the thread that comes first to a place that logs, and that thread may have none.
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

#[derive(serde::Deserialize)]
struct Login {
    #[expect(dead_code, reason = "read by serde alone")]
    password: String,
}

fn app() -> Router {
    let fail = get_route(|| async {
        let cause = std::io::Error::other("disk on fire");
        Err::<(), _>(ServiceError::Internal("store post".into()).with_source(cause))
    });
    let app = Router::new()
        .route("/fail", fail)
        .route("/tags", post(|_: Json<HashMap<String, u32>>| async {}))
        .route("/login", post(|Json(_): Json<Login>| async {}))
        .route(
            "/posts/{post_id}",
            get_route(|Path(id): Path<u32>| async move { id.to_string() }),
        );
    ServiceLayer::new("content-service").wrap(app)
}

#[tokio::test]
async fn an_error_is_logged_once_with_its_causes_and_the_request() {
    let (lines, _guard) = captured();
    let request = Request::get("/fail").header("x-request-id", "req-1");
    ask(&app(), request.body(Body::empty()).unwrap()).await;

    let text = lines.text();
    assert_eq!(
        text.matches("store post: disk on fire").count(),
        1,
        "{text}"
    );
    assert!(
        text.contains("ERROR") && text.contains(r#"request_id="req-1""#),
        "{text}"
    );
}

#[tokio::test]
async fn what_a_client_sends_is_neither_another_line_nor_another_name_in_the_log() {
    let (lines, _guard) = captured();
    let request = Request::post("/tags").header("content-type", "application/json");
    let request = request
        .body(Body::from(r#"{"x\nERROR all is lost":"hunter2"}"#))
        .unwrap();
    assert_eq!(ask(&app(), request).await.status, 400);
    let request = Request::builder().method("HUNTER2").uri("/fail");
    ask(&app(), request.body(Body::empty()).unwrap()).await;

    let text = lines.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains(r"x\nERROR all is lost"), "{text}");
    assert!(text.contains(r#"http.request.method="_OTHER""#), "{text}");
    assert!(!text.contains("HUNTER2"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_is_logged_when_it_begins_and_when_it_ends() {
    let (lines, _guard) = captured();
    let broken = Arc::new(AtomicBool::new(true));
    let health = Health::new("content-service", "1").peer("broker", {
        let broken = broken.clone();
        move || {
            let broken = broken.load(Ordering::Relaxed);
            async move {
                if broken {
                    return Err(ServiceError::ServiceUnavailable("no broker".into()));
                }
                Ok(())
            }
        }
    });
    for probe in 0..6 {
        broken.store(probe < 3, Ordering::Relaxed);
        health.check().await;
        tokio::time::advance(2 * Health::CACHE).await;
    }
    let text = lines.text();
    assert_eq!(text.matches("no broker").count(), 1, "{text}");
    assert_eq!(text.matches("passes again").count(), 1, "{text}");
}

#[tokio::test]
async fn a_secret_of_the_wrong_type_shows_neither_in_the_log_nor_in_the_answer() {
    let (lines, _guard) = captured();
    let request = Request::post("/login")
        .header("content-type", "application/json")
        .header("authorization", "Bearer sesame-48151623");
    let request = request
        .body(Body::from(r#"{"password":48151623}"#))
        .unwrap();
    let answer = ask(&app(), request).await;

    let text = lines.text();
    assert!(text.contains("INFO") && text.contains("password"), "{text}");
    assert!(!text.contains("48151623"), "{text}");
    assert!(!answer.body.contains("48151623"), "{}", answer.body);
}

/// Runs `test` with a recorder of its own and gives back what it recorded, counts and gauges alone.
pub(crate) fn recorded(test: impl Future<Output = ()>) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(test));
    let text = recorder.handle().render();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_count{") || line.starts_with("nova_"))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn durations_are_counted_by_route_and_never_by_path() {
    let found = recorded(async {
        for path in ["/posts/1", "/posts/2", "/posts/x", "/fail", "/nowhere/7"] {
            get(&app(), path).await;
        }
        let invented = Request::builder().method("INVENT").uri("/fail");
        ask(&app(), invented.body(Body::empty()).unwrap()).await;
    });
    insta::assert_snapshot!(found);
}

#[test]
fn a_request_whose_client_leaves_is_counted_too() {
    let found = recorded(async {
        let hang = Router::new().route("/hang", get_route(std::future::pending::<()>));
        let app = ServiceLayer::new("a").wrap(hang);
        let call = get(&app, "/hang");
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(1), call)
                .await
                .is_err()
        );
    });
    assert!(
        found.contains(r#"http_response_status_code="499""#),
        "{found}"
    );
}

#[test]
fn the_state_of_each_worker_is_a_gauge() {
    let found = recorded(async {
        let mut supervisor = Supervisor::builder("content-service").build().unwrap();
        for name in ["relay", "relay"] {
            supervisor.spawn(worker_fn(name, |shutdown: Shutdown| async move {
                shutdown.requested().await;
                Ok(())
            }));
        }
        supervisor.shutdown().await.unwrap();
    });
    insta::assert_snapshot!(found, @r#"
    nova_worker_state{service="content-service",worker="relay"} 2
    nova_worker_state{service="content-service",worker="relay-2"} 2
    "#);
}
