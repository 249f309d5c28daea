use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use nova_errors::ServiceError;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::Service;

use crate::header_view::HeaderView;
use crate::patient_body::PatientBody;
use crate::patient_stream::PatientStream;
use crate::{BackgroundWorker, Shutdown, WorkerError};

/// Serves `app` on `listener` until `shutdown` is asked for: an [`HttpServer`] with its defaults.
///
/// ```
/// use axum::{Router, routing::get};
/// use nova_service::{ServiceLayer, Shutdown};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let app = Router::new().route("/", get(|| async { "hello" }));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
///
/// let (trigger, shutdown) = Shutdown::new(); // `Shutdown::on_signal()` in a binary
/// # trigger.shutdown();
/// nova_service::serve(listener, ServiceLayer::new("greeter").wrap(app), shutdown).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// `Internal` where the listener has no address.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    shutdown: Shutdown,
) -> Result<(), ServiceError> {
    let server = HttpServer::new(listener, app);
    server.run(shutdown).await.map_err(WorkerError::into_error)
}

/// An HTTP server that drains: asked to stop, it accepts no more connections, lets the requests that run finish, and cuts what is left at the
/// drain deadline.
///
/// Under a [`Supervisor`](crate::Supervisor) it is spawned last, so that it stops first, before the workers that its requests need. It speaks HTTP/1.1, and HTTP/2
/// without TLS with the feature `http2`. Handlers find the peer's address in [`ConnectInfo<SocketAddr>`](ConnectInfo). A connection that sends no
/// request head for [`IDLE`](Self::IDLE) is closed; a body that stands still for [`BodyLimit::STALL`](crate::BodyLimit::STALL) has broken
/// off, and a client that reads nothing of its answer for [`STALL`](Self::STALL) is cut; one of HTTP/2 that has sent a request stays as long as its peer answers pings. One that was upgraded (WebSocket) is its handler's to stop.
pub struct HttpServer {
    name: &'static str,
    listener: Mutex<Option<TcpListener>>,
    app: Router,
    drain_deadline: Duration,
    max_connections: usize,
}

impl HttpServer {
    /// How long a connection may stay without a complete request head: 2 minutes, longer than the 90 s for which usual clients
    /// keep an idle connection, so that the client's side closes it first.
    pub const IDLE: Duration = Duration::from_secs(120);

    /// How long a client may take nothing of what is sent to it before its connection is closed: 60 s.
    pub const STALL: Duration = Duration::from_secs(60);

    /// How many connections there may be by default: 16 384.
    pub const MAX_CONNECTIONS: usize = 16_384;

    /// How many requests may be under way at the same time on one connection of HTTP/2: 1024.
    pub const MAX_STREAMS: u32 = 1024;

    /// A server of `app` on `listener`, with a drain deadline of 10 s.
    #[must_use]
    pub fn new(listener: TcpListener, app: Router) -> Self {
        Self {
            name: "http",
            listener: Mutex::new(Some(listener)),
            app,
            drain_deadline: Duration::from_secs(10),
            max_connections: Self::MAX_CONNECTIONS,
        }
    }

    /// Sets what the server is called as a [worker](BackgroundWorker::name): `http` by default.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets how long the requests that run may go on once the server is asked to stop.
    #[must_use]
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.drain_deadline = deadline;
        self
    }

    /// Sets how many connections there may be; further ones wait in the backlog of the system until one is closed. [`MAX_CONNECTIONS`](Self::MAX_CONNECTIONS)
    /// by default: leave file descriptors for what the handlers open. Zero counts as one, and one that was upgraded counts no more.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    async fn drain(&self, mut connections: JoinSet<()>) {
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain_deadline, all)
            .await
            .is_err()
        {
            tracing::warn!(
                connections = connections.len(), deadline = ?self.drain_deadline,
                "cut connections that did not drain in time"
            );
        }
        connections.shutdown().await;
    }
}

#[async_trait]
impl BackgroundWorker for HttpServer {
    fn name(&self) -> &str {
        self.name
    }

    /// Runs once: the listener is closed when it returns.
    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let listener = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(listener) = listener else {
            let error = ServiceError::PreconditionFailed("the HTTP server has run already".into());
            return Err(WorkerError::Fatal(error));
        };
        let address = listener.local_addr().map_err(|error| {
            let error = ServiceError::Internal("listen".into()).with_source(error);
            WorkerError::Fatal(error)
        })?;
        tracing::info!(server = self.name, %address, "listening");
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                Some(_) = connections.join_next() => {}
                (stream, peer) = accept(&listener), if connections.len() < self.max_connections => {
                    let app = self.app.clone();
                    connections.spawn(connection(stream, peer, app, shutdown.clone()));
                    if connections.len() == self.max_connections {
                        tracing::warn!(
                            server = self.name, connections = self.max_connections,
                            "new connections wait until one is closed"
                        );
                    }
                }
            }
        }
        // Closed before the drain, so that new callers are refused and go elsewhere at once.
        drop(listener);
        self.drain(connections).await;
        tracing::info!(server = self.name, %address, "stopped listening");
        Ok(())
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The peer's own trouble; the next connection is another.
            Err(error)
                if matches!(
                    error.kind(),
                    ConnectionAborted | ConnectionRefused | ConnectionReset
                ) => {}
            Err(error) => {
                // Most often no file descriptor is left, and at once none will be either.
                tracing::error!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: Router, shutdown: Shutdown) {
    // Answers are small and awaited; one that fails here fails again below.
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let silent = silence(asked.clone());
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        // A stream of gRPC may rest; its connection is watched by pings.
        let body = if is_grpc(request.headers()) {
            PatientBody::resting
        } else {
            PatientBody::new
        };
        app.clone().call(request.map(body))
    });
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HttpServer::IDLE);
    #[cfg(feature = "http2")]
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HttpServer::MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(30));
    let stream = TokioIo::new(PatientStream::new(stream, HttpServer::STALL));
    let mut connection = pin!(server.serve_connection_with_upgrades(stream, service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = silent => return,
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "connection broke");
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .text(header::CONTENT_TYPE.as_str())
        .is_some_and(|content_type| content_type.starts_with("application/grpc"))
}

/// Ends where no request came within [`HttpServer::IDLE`]. hyper's own timer starts only once the first bytes have told
/// HTTP/1 from HTTP/2, so that a peer who sends none would stay for ever.
async fn silence(asked: Arc<AtomicBool>) {
    tokio::time::sleep(HttpServer::IDLE).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("name", &self.name)
            .field("drain_deadline", &self.drain_deadline)
            .finish_non_exhaustive()
    }
}
