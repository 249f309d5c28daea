use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use nova_errors::{ErrorKind, ServiceError};
use nova_service::{
    BackgroundWorker, BodyLimit, HttpServer, Json, ServiceLayer, Shutdown, ShutdownTrigger,
    WorkerError, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server with a route that waits until it is told to go on.
struct Running {
    address: SocketAddr,
    trigger: ShutdownTrigger,
    started: Arc<Notify>,
    go_on: Arc<Notify>,
    server: JoinHandle<Result<(), WorkerError>>,
}

async fn start(drain: Duration) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = {
        let (started, go_on) = (started.clone(), go_on.clone());
        get(move || async move {
            started.notify_one();
            go_on.notified().await;
            "done"
        })
    };
    let large = {
        let started = started.clone();
        get(move || async move {
            started.notify_one();
            vec![b'x'; 64 << 20]
        })
    };
    let app = Router::new()
        .route("/large", large)
        .route("/bytes", post(|body: Bytes| async { body }))
        .route("/json", post(|_: Json<u8>| async {}))
        .route("/wait", wait)
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        );
    let app = ServiceLayer::new("a").wrap(app);
    let (trigger, shutdown) = Shutdown::new();
    let server = HttpServer::new(listener, app).drain_deadline(drain);
    let server = tokio::spawn(async move { server.run(shutdown).await });
    Running {
        address,
        trigger,
        started,
        go_on,
        server,
    }
}

async fn send(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
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

async fn joined(server: JoinHandle<Result<(), WorkerError>>) -> Result<(), WorkerError> {
    tokio::time::timeout(PATIENCE, server)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_graceful_shutdown_finishes_the_request_that_runs_and_refuses_new_connections() {
    let running = start(PATIENCE).await;
    let mut stream = send(running.address, "/wait").await;
    running.started.notified().await;
    running.trigger.shutdown();

    let refused = async {
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(!running.server.is_finished());

    running.go_on.notify_one();
    let answer = read_all(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
        "{answer}"
    );
    joined(running.server).await.unwrap();
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_deadline_is_cut() {
    let running = start(Duration::from_millis(50)).await;
    let mut stream = send(running.address, "/wait").await;
    running.started.notified().await;
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_shutdown() {
    let running = start(Duration::from_secs(3600)).await;
    let mut stream = send(running.address, "/peer").await;
    let peer = stream.local_addr().unwrap().to_string();
    let mut answer = String::new();
    while !answer.ends_with(&peer) {
        let mut part = [0; 1024];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut part))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(read, 0, "{answer}");
        answer += std::str::from_utf8(&part[..read]).unwrap();
    }
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let running = start(PATIENCE).await;
    // Neither silence nor the beginning of an HTTP/2 preface nor that of a head keeps it.
    for sent in ["", "P", "PRI * HTTP/2.0", "GET /peer HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        let closed = tokio::time::timeout(2 * HttpServer::IDLE, closed).await;
        assert!(closed.is_ok(), "{sent:?} keeps the connection open");
    }
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_runs_for_longer_than_a_connection_may_be_idle_is_answered() {
    let running = start(PATIENCE).await;
    let mut stream = send(running.address, "/wait").await;
    running.started.notified().await;
    tokio::time::sleep(2 * HttpServer::IDLE).await;
    running.go_on.notify_one();
    running.trigger.shutdown();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    joined(running.server).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_for_nothing_more_is_closed() {
    let running = start(PATIENCE).await;
    for more in ["", "GET /peer HTTP/1.1\r\nhos"] {
        let mut stream = send(running.address, "/peer").await;
        stream.write_all(more.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let closed = stream.read_to_string(&mut answer);
        let closed = tokio::time::timeout(2 * HttpServer::IDLE, closed).await;
        assert!(closed.is_ok(), "{more:?} keeps the connection open");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_has_broken_off_whoever_reads_it() {
    let running = start(PATIENCE).await;
    for path in ["/json", "/bytes"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let closed = stream.read_to_string(&mut answer);
        tokio::time::timeout(2 * BodyLimit::STALL, closed)
            .await
            .unwrap()
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let running = start(Duration::from_secs(3600)).await;
    let _never_read = send(running.address, "/large").await;
    running.started.notified().await;
    let asked = tokio::time::Instant::now();
    running.trigger.shutdown();
    running.server.await.unwrap().unwrap();
    assert!(asked.elapsed() <= 2 * HttpServer::STALL);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_slowly_arrives() {
    let running = start(PATIENCE).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = "POST /bytes HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in [b"s", b"l", b"o", b"w"] {
        tokio::time::sleep(BodyLimit::STALL / 2).await;
        stream.write_all(byte).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("slow"), "{answer}");
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_the_limit_wait_until_one_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::new();
    let peer = get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() });
    let server = HttpServer::new(listener, Router::new().route("/peer", peer)).max_connections(1);
    let server = tokio::spawn(async move { server.run(shutdown).await });
    let mut first = send(address, "/peer").await;
    let mut part = [0; 1024];
    assert_ne!(first.read(&mut part).await.unwrap(), 0);

    let mut second = send(address, "/peer").await;
    let early = tokio::time::timeout(Duration::from_secs(1), second.read(&mut part));
    assert!(early.await.is_err());
    drop(first);
    let read = tokio::time::timeout(PATIENCE, second.read(&mut part));
    let read = read.await.unwrap().unwrap();
    assert!(part[..read].starts_with(b"HTTP/1.1 200"));
    trigger.shutdown();
    joined(server).await.unwrap();
}

#[tokio::test]
async fn junk_on_a_connection_hurts_nobody_else() {
    let running = start(PATIENCE).await;
    let mut junk = TcpStream::connect(running.address).await.unwrap();
    junk.write_all(b"\x16\x03\x01 not http\r\n\r\n")
        .await
        .unwrap();
    assert!(read_all(&mut junk).await.starts_with("HTTP/1.1 400"));
    let mut stream = send(running.address, "/nowhere").await;
    running.trigger.shutdown();
    let answer = read_all(&mut stream).await;
    assert!(
        answer.is_empty() || answer.contains("application/problem+json"),
        "{answer}"
    );
    joined(running.server).await.unwrap();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_an_answer_that_arrives() {
    let running = start(PATIENCE).await;
    let body = "x".repeat(7 << 20);
    let length = format!("content-length: {}", body.len());
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (header, body) in [
        (length.as_str(), &body),
        ("transfer-encoding: chunked", &chunk),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = format!(
            "POST /json HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n{header}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("limit of 2097152 bytes"), "{answer}");
    }
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
}

#[tokio::test]
async fn a_body_that_breaks_off_hurts_nobody_else() {
    let running = start(PATIENCE).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = "POST /json HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    running.trigger.shutdown();
    joined(running.server).await.unwrap();
}

#[tokio::test]
async fn a_server_runs_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::new(listener, Router::new());
    let (trigger, shutdown) = Shutdown::new();
    trigger.shutdown();
    server.run(shutdown.clone()).await.unwrap();
    let WorkerError::Fatal(error) = server.run(shutdown).await.unwrap_err() else {
        panic!("a second run would never succeed");
    };
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn serve_returns_when_it_is_asked_to_stop() -> Result<(), ServiceError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (trigger, shutdown) = Shutdown::new();
    trigger.shutdown();
    serve(listener, Router::new(), shutdown).await
}
