//! A server of commands on a loopback port, with a thread of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::serve::ListenerExt;
use bytes::Bytes;
use nova_models::{CommandResponse, RequestId};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::post::Post;

/// A server that answers each command with [`Post::sample`]. It stops when it is dropped.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Loopback {
    /// Starts it on a free port.
    ///
    /// # Errors
    ///
    /// There is no port or no thread.
    pub fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("loopback".to_owned())
            .spawn(move || runtime.block_on(serve(listener, stopped)))?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the loopback server panicked");
        }
    }
}

async fn serve(listener: TcpListener, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let app = Router::new().fallback(answer).with_state(Post::sample());
    let listener = listener.tap_io(|connection| {
        // Else a small answer waits for the acknowledgement of the last one.
        if let Err(error) = connection.set_nodelay(true) {
            eprintln!("loopback: {error}");
        }
    });
    tokio::select! {
        outcome = axum::serve(listener, app) => outcome,
        // Whoever holds a connection is done measuring.
        _ = stopped => Ok(()),
    }
}

#[derive(Deserialize)]
struct Envelope {
    request_id: RequestId,
}

async fn answer(State(post): State<Post>, body: Bytes) -> impl IntoResponse {
    let answer = serde_json::from_slice(&body)
        .map(|Envelope { request_id }| CommandResponse::ok(request_id, post))
        .and_then(|answer| serde_json::to_vec(&answer));
    match answer {
        Ok(answer) => (StatusCode::OK, [(CONTENT_TYPE, "application/json")], answer),
        Err(error) => {
            let error = error.to_string().into_bytes();
            (
                StatusCode::BAD_REQUEST,
                [(CONTENT_TYPE, "text/plain")],
                error,
            )
        }
    }
}
