use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A proxy of HTTP that drops what it should forward: the connection is cut, without a word.
pub(super) struct Proxy {
    address: SocketAddr,
    upstream: watch::Sender<Option<SocketAddr>>,
    faults: Arc<Faults>,
    _accepting: AbortOnDropHandle<()>,
}

struct Faults {
    rng: Mutex<Rng>,
    is_quiet: AtomicBool,
    dropped_requests: AtomicU32,
    dropped_answers: AtomicU32,
    broken: AtomicU32,
}

const SHARE: f64 = 0.2;

impl Proxy {
    pub(super) async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (upstream, leads_to) = watch::channel(None);
        let faults = Arc::new(Faults {
            rng: Mutex::new(Rng::with_seed(seed)),
            is_quiet: AtomicBool::new(false),
            dropped_requests: AtomicU32::new(0),
            dropped_answers: AtomicU32::new(0),
            broken: AtomicU32::new(0),
        });
        let accepting = tokio::spawn(accept(listener, leads_to, faults.clone()));
        Self {
            address,
            upstream,
            faults,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where to forward to; while there is nowhere, requests wait.
    pub(super) fn lead_to(&self, server: Option<SocketAddr>) {
        self.upstream.send_replace(server);
    }

    /// Drops nothing from now on.
    pub(super) fn be_quiet(&self) {
        self.faults.is_quiet.store(true, Ordering::SeqCst);
    }

    /// How many requests it dropped, how many answers, and how many were at the server when that died.
    pub(super) fn losses(&self) -> [u32; 3] {
        let faults = &self.faults;
        [
            &faults.dropped_requests,
            &faults.dropped_answers,
            &faults.broken,
        ]
        .map(|count| count.load(Ordering::SeqCst))
    }
}

impl Faults {
    fn maybe_drop(&self, dropped: &AtomicU32) -> io::Result<()> {
        let is_due = self.rng.lock().unwrap().f64() < SHARE;
        if is_due && !self.is_quiet.load(Ordering::SeqCst) {
            dropped.fetch_add(1, Ordering::SeqCst);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

async fn accept(
    listener: TcpListener,
    upstream: watch::Receiver<Option<SocketAddr>>,
    faults: Arc<Faults>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (upstream, faults) = (upstream.clone(), faults.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| forward(request, upstream.clone(), faults.clone()));
            // An error of the service cuts the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(client), service)
                .await;
        });
    }
}

async fn forward(
    request: Request<Incoming>,
    mut upstream: watch::Receiver<Option<SocketAddr>>,
    faults: Arc<Faults>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    faults.maybe_drop(&faults.dropped_requests)?;
    let server = *upstream
        .wait_for(Option::is_some)
        .await
        .map_err(io::Error::other)?;
    let server = TcpStream::connect(server.into_iter().collect::<Vec<_>>().as_slice()).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(server))
        .await
        .map_err(io::Error::other)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::from_parts(head, Full::new(body));
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head, body.collect().await?.to_bytes()))
    };
    let (head, body) = answer.await.map_err(|error: hyper::Error| {
        faults.broken.fetch_add(1, Ordering::SeqCst);
        io::Error::other(error)
    })?;
    faults.maybe_drop(&faults.dropped_answers)?;
    Ok(Response::from_parts(head, Full::new(body)))
}
