//! What a service on actix-web does beyond what [`crate::parity`] compares.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpServer};
use futures::{StreamExt, stream};
use nova_errors::{Effect, ErrorKind, ServiceError};
use nova_models::CallContext;
use nova_service::actix::{CommandRouter, HealthRoutes, ServerWorker, serve};
use nova_service::{
    BackgroundWorker, BodyLimit, Command, CommandReply, Health, IdempotencyLayer, LoadShed,
    LoadShedLayer, MemoryIdempotencyStore, RawBody, ServiceLayer, Shutdown, Supervisor,
    WorkerError,
};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize)]
struct Login {
    #[expect(dead_code, reason = "read by serde alone")]
    attempt: u32,
}

/// Tells that it has begun, and waits until it is told to go on.
#[derive(Clone, Default)]
struct Gate {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Gate {
    async fn pass(self) -> &'static str {
        self.begun.notify_one();
        self.go_on.notified().await;
        "done"
    }
}

async fn failing_middleware(
    request: actix_web::dev::ServiceRequest,
    next: Next<impl actix_web::body::MessageBody>,
) -> Result<actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>, Error> {
    if request.path() == "/forbidden" {
        return Err(ServiceError::Authorization("members only".into()).into());
    }
    next.call(request).await
}

fn disk_is_full() -> std::io::Result<&'static str> {
    Err(std::io::Error::other("hunter2 on /dev/sda1"))
}

fn database_is_away() -> Result<&'static str, Error> {
    Err(actix_web::error::ErrorServiceUnavailable(
        "hunter2@10.0.0.7 refused",
    ))
}

fn teapot() -> Result<&'static str, Error> {
    Err(actix_web::error::ErrorImATeapot("short and stout"))
}

async fn listener() -> (std::net::TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener.into_std().unwrap(), address)
}

fn server(
    listener: std::net::TcpListener,
    gate: Gate,
    drain_seconds: u64,
) -> actix_web::dev::Server {
    let app = move || {
        let gate = gate.clone();
        App::new()
            .route("/wait", web::get().to(move || gate.clone().pass()))
            .route("/json", web::post().to(async |_: web::Json<Login>| "ok"))
            .route("/form", web::post().to(async |_: web::Form<Login>| "ok"))
            .route("/bytes", web::post().to(async |_: Bytes| "ok"))
            .route("/query", web::get().to(async |_: web::Query<Login>| "ok"))
            .route(
                "/path/{attempt}",
                web::get().to(async |_: web::Path<u8>| "ok"),
            )
            .route("/io", web::get().to(async || disk_is_full()))
            .route("/text", web::get().to(async || database_is_away()))
            .route("/teapot", web::get().to(async || teapot()))
            .wrap(from_fn(failing_middleware))
            .wrap(ServiceLayer::new("a"))
    };
    HttpServer::new(app)
        .workers(1)
        .disable_signals()
        // Else a connection whose body was not read to its end stays for a second after the answer.
        .client_disconnect_timeout(Duration::from_millis(1))
        .shutdown_timeout(drain_seconds)
        .listen(listener)
        .unwrap()
        .run()
}

async fn send(address: SocketAddr, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = match body.len() {
        0 => String::new(),
        length => format!("content-length: {length}\r\n"),
    };
    let request = format!(
        "{head}\r\nhost: a\r\nconnection: close\r\nx-request-id: req-1\r\n{length}\r\n{body}"
    );
    // In vain where the server has answered and closed before the body is over.
    let _ = stream.write_all(request.as_bytes()).await;
    stream
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is cut may end in a reset.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text))
        .await
        .unwrap();
    String::from_utf8(text).unwrap()
}

async fn ask(address: SocketAddr, head: &str, body: &str) -> String {
    read_all(&mut send(address, head, body).await).await
}

#[tokio::test]
async fn what_the_extractors_of_actix_refuse_is_a_problem_that_shows_no_value() {
    let (listener, address) = listener().await;
    let (trigger, shutdown) = Shutdown::new();
    let server = tokio::spawn(serve(server(listener, Gate::default(), 5), shutdown));

    let json = "POST /json HTTP/1.1\r\ncontent-type: application/json";
    let form = "POST /form HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let large = "x".repeat(3 << 20);
    let mut shown = String::new();
    for (head, body) in [
        (json, r#"{"attempt":"hunter2"}"#),
        (json, "{}"),
        (json, r#"{"attempt":1"#),
        (json, large.as_str()),
        ("POST /json HTTP/1.1", "{}"),
        (form, "attempt=hunter2"),
        (form, "a=1"),
        (form, large.as_str()),
        ("POST /form HTTP/1.1", "attempt=1"),
        ("POST /bytes HTTP/1.1", large.as_str()),
        ("GET /query?attempt=hunter2 HTTP/1.1", ""),
        ("GET /query HTTP/1.1", ""),
        ("GET /path/hunter2 HTTP/1.1", ""),
        ("GET /path/300 HTTP/1.1", ""),
    ] {
        let answer = ask(address, head, body).await;
        assert!(
            answer.contains("application/problem+json"),
            "{head}: {answer}"
        );
        assert!(!answer.contains("hunter2"), "{head}: {answer}");
        let status = answer.split(' ').nth(1).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["instance"], "req-1");
        let path = head.split(' ').nth(1).unwrap();
        shown += &format!(
            "{path}: {status} {}, {}\n",
            problem["code"], problem["detail"]
        );
    }
    trigger.shutdown();
    server.await.unwrap().unwrap();
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn what_a_foreign_error_says_of_a_failure_inside_stays_inside() {
    let (listener, address) = listener().await;
    let (trigger, shutdown) = Shutdown::new();
    let server = tokio::spawn(serve(server(listener, Gate::default(), 5), shutdown));
    for (path, status) in [("/io", 500), ("/text", 503)] {
        let answer = ask(address, &format!("GET {path} HTTP/1.1"), "").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    let own_words = ask(address, "GET /teapot HTTP/1.1", "").await;
    assert!(own_words.starts_with("HTTP/1.1 418"), "{own_words}");
    assert!(own_words.ends_with("short and stout"), "{own_words}");
    trigger.shutdown();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_error_of_a_middleware_inside_is_rendered_too() {
    let (listener, address) = listener().await;
    let (trigger, shutdown) = Shutdown::new();
    let server = tokio::spawn(serve(server(listener, Gate::default(), 5), shutdown));
    let answer = ask(address, "GET /forbidden HTTP/1.1", "").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("x-request-id: req-1"), "{answer}");
    assert!(
        answer.contains(r#""instance":"req-1","code":"authorization""#),
        "{answer}"
    );
    trigger.shutdown();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_graceful_stop_finishes_the_request_that_runs_and_refuses_new_connections() {
    let (listener, address) = listener().await;
    let gate = Gate::default();
    let (trigger, shutdown) = Shutdown::new();
    let mut supervisor = Supervisor::builder("a")
        .shutdown_deadline(PATIENCE)
        .build()
        .unwrap();
    supervisor.spawn(ServerWorker::new(server(listener, gate.clone(), 15)));
    let supervised = tokio::spawn(async move { supervisor.run(shutdown).await });

    let mut stream = send(address, "GET /wait HTTP/1.1", "").await;
    gate.begun.notified().await;
    trigger.shutdown();
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(!supervised.is_finished());

    gate.go_on.notify_one();
    let answer = read_all(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
        "{answer}"
    );
    tokio::time::timeout(PATIENCE, supervised)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut() {
    let (listener, address) = listener().await;
    let gate = Gate::default();
    let (trigger, shutdown) = Shutdown::new();
    let server = tokio::spawn(serve(server(listener, gate.clone(), 0), shutdown));
    let mut stream = send(address, "GET /wait HTTP/1.1", "").await;
    gate.begun.notified().await;
    trigger.shutdown();
    tokio::time::timeout(PATIENCE, server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn a_server_runs_once() {
    let (listener, _) = listener().await;
    let worker = ServerWorker::new(server(listener, Gate::default(), 5));
    let (trigger, shutdown) = Shutdown::new();
    trigger.shutdown();
    worker.run(shutdown.clone()).await.unwrap();
    let WorkerError::Fatal(error) = worker.run(shutdown).await.unwrap_err() else {
        panic!("a second run would never succeed");
    };
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn a_server_that_is_dropped_gives_its_address_back() {
    let (listener, address) = listener().await;
    let (_trigger, shutdown) = Shutdown::new();
    let gate = Gate::default();
    let server = tokio::spawn(serve(server(listener, gate.clone(), 5), shutdown));
    let _stream = send(address, "GET /wait HTTP/1.1", "").await;
    gate.begun.notified().await;
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    let freed = async {
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
}

#[tokio::test]
async fn workers_share_one_flight_of_health_checks() {
    let (listener, address) = listener().await;
    let checks = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = checks.clone();
    let health = Health::new("a", "1").owned("database", move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { Ok(()) }
    });
    let (trigger, shutdown) = Shutdown::new();
    let health = HealthRoutes::new(health.shutdown(shutdown.clone()));
    let server = HttpServer::new(move || App::new().service(health.clone()))
        .workers(2)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    let server = tokio::spawn(serve(server, shutdown));
    let asked = (0..8).map(|_| ask(address, "GET /health/ready HTTP/1.1", ""));
    for answer in futures::future::join_all(asked).await {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
    }
    let found = checks.load(std::sync::atomic::Ordering::SeqCst);
    assert!((1..8).contains(&found), "{found} checks for 8 probes");
    let head = ask(address, "HEAD /health/live HTTP/1.1", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    trigger.shutdown();
    server.await.unwrap().unwrap();
}

async fn count(command: Command<u32>) -> Result<CommandReply<u32>, ServiceError> {
    Ok(command.reply(*command))
}

#[derive(Debug, serde::Serialize, Deserialize)]
struct Elsewhere {}

impl nova_models::Command for Elsewhere {
    type Reply = ();
    const TARGET: &'static str = "feed-service";
    const ENDPOINT: &'static str = "x";
}

#[test]
fn commands_that_cannot_be_routed_are_refused_when_they_are_built() {
    let field = |router: CommandRouter| router.build().unwrap_err().violations()[0].field.clone();
    let new = CommandRouter::new;
    assert_eq!(field(new("Streaming")), "service");
    assert_eq!(field(new("{x}").command("info", count)), "service");
    assert_eq!(field(new("a").command("../info", count)), "endpoint");
    assert_eq!(field(new("a").command("{rest:.*}", count)), "endpoint");
    let twice = new("a").command("info", count).command("info", count);
    assert_eq!(field(twice), "endpoint");
    assert_eq!(
        field(new("a").on(|_: Elsewhere| async { Ok(()) })),
        "target"
    );
}

/// Handlers of actix-web are futures of one thread: what is not `Send` may live in them.
#[tokio::test]
async fn the_context_holds_in_a_handler_that_is_not_send() {
    let app = App::new()
        .route(
            "/",
            web::get().to(async || {
                let here = std::rc::Rc::new(());
                tokio::task::yield_now().await;
                drop(here);
                let context = CallContext::current().unwrap_or_default();
                context.request_id.map(String::from)
            }),
        )
        .wrap(ServiceLayer::new("a"));
    let app = actix_web::test::init_service(app).await;
    let request = actix_web::test::TestRequest::get().insert_header(("x-request-id", "req-1"));
    let body = actix_web::test::call_and_read_body(&app, request.to_request()).await;
    assert_eq!(body, "req-1");
}

#[tokio::test]
async fn a_handler_with_the_extractors_of_actix_or_none_does_not_claim_that_nothing_happened() {
    fn failed<T>(_: T) -> std::future::Ready<Result<&'static str, ServiceError>> {
        let error = ServiceError::ServiceUnavailable("connect".into());
        std::future::ready(Err(error.with_effect(Effect::None)))
    }
    let commands = |layer: Option<IdempotencyLayer>| {
        let commands = CommandRouter::new("a")
            .command("json", failed::<web::Json<serde_json::Value>>)
            .command("bytes", failed::<Bytes>)
            .command("payload", async |mut payload: web::Payload| {
                failed(payload.next().await).await
            })
            .command("ignored", || failed(()));
        match layer {
            Some(layer) => commands.layer(layer).build().unwrap(),
            None => commands.build().unwrap(),
        }
    };
    let once = IdempotencyLayer::new(MemoryIdempotencyStore::default());
    for layer in [None, Some(once)] {
        let plain = web::post().to(failed::<web::Json<serde_json::Value>>);
        let app = App::new()
            .route("/api/v1/a/plain", plain)
            .service(commands(layer))
            .wrap(ServiceLayer::new("a"));
        let app = actix_web::test::init_service(app).await;
        for endpoint in ["json", "bytes", "payload", "ignored", "plain"] {
            let request = actix_web::test::TestRequest::post()
                .uri(&format!("/api/v1/a/{endpoint}"))
                .insert_header(("content-type", "application/json"))
                .set_payload(r#"{"request_id":"req-1","source_service":"b","target_service":"a","command":{},"timestamp":"2025-10-28T00:00:00Z"}"#);
            let body = actix_web::test::call_and_read_body(&app, request.to_request()).await;
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains("service_unavailable"), "{endpoint}: {body}");
            assert!(body.contains(r#""effect":"unknown""#), "{endpoint}: {body}");
        }
    }
}

#[tokio::test]
async fn what_a_layer_refuses_before_the_handler_has_no_effect() {
    let shed = LoadShed::new("a", 1).unwrap().queue(0);
    let commands = CommandRouter::new("a").command("count", count);
    let app = App::new()
        .service(commands.build().unwrap())
        .wrap(LoadShedLayer::new(shed.clone()))
        .wrap(ServiceLayer::new("a"));
    let app = actix_web::test::init_service(app).await;
    let _full = shed.admit(None).await.unwrap();
    let request = actix_web::test::TestRequest::post().uri("/api/v1/a/count");
    let body = actix_web::test::call_and_read_body(&app, request.to_request()).await;
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains(r#""effect":"none""#), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_has_broken_off() {
    let app = App::new()
        .route("/raw", web::post().to(async |_: RawBody| "read"))
        .wrap(ServiceLayer::new("a"));
    let app = actix_web::test::init_service(app).await;
    let begun = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(b"{"))]);
    let stalled = begun.chain(stream::pending()).boxed_local();
    let mut request = actix_web::test::TestRequest::post()
        .uri("/raw")
        .to_request();
    *request.payload() = Payload::Stream { payload: stalled };
    let began = tokio::time::Instant::now();
    let answer = actix_web::dev::Service::call(&app, request).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(began.elapsed(), BodyLimit::STALL);
}
