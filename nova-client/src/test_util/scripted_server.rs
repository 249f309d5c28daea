use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use nova_errors::ServiceError;
use nova_models::headers;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::{Answer, MAX_KEPT, Received, Reply};

/// A server on a loopback port that answers by a script, and keeps what it received, byte for byte.
///
/// It speaks HTTP/1.1 and serves any number of connections; each request takes the next reply. When the script is over, it answers 500.
/// Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    record: Arc<Record>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Record {
    script: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    arrival: Notify,
    connections: AtomicUsize,
}

impl ScriptedServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// `Internal` where there is none.
    pub async fn start(
        script: impl IntoIterator<Item = impl Into<Reply>>,
    ) -> Result<Self, ServiceError> {
        let fault = |error| ServiceError::Internal("listen on loopback".into()).with_source(error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        let record = Arc::new(Record {
            script: Mutex::new(script.into_iter().map(Into::into).collect()),
            received: Mutex::default(),
            arrival: Notify::new(),
            connections: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&record))).abort_handle();
        Ok(Self {
            address,
            record,
            accepting,
        })
    }

    /// Its URL: `http://127.0.0.1:` and the port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has taken.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    /// The requests so far, in the order in which they were complete.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        let received = self.record.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has received `count` requests, in all of its life.
    pub async fn wait_for(&self, count: usize) {
        loop {
            let arrival = self.record.arrival.notified();
            if self.received().len() >= count {
                return;
            }
            arrival.await;
        }
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Record {
    fn keep(&self, request: Received) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        if received.len() < MAX_KEPT {
            received.push(request);
        }
        drop(received);
        self.arrival.notify_waiters();
    }

    fn next_reply(&self) -> Reply {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let next = script.pop_front();
        next.unwrap_or_else(|| Answer::new(500).body("the script is over").into())
    }
}

async fn accept(listener: TcpListener, record: Arc<Record>) {
    let mut serving = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while serving.try_join_next().is_some() {}
        record.connections.fetch_add(1, Ordering::SeqCst);
        serving.spawn(serve(stream, Arc::clone(&record)));
    }
}

async fn serve(mut stream: TcpStream, record: Arc<Record>) {
    let mut buffer = BytesMut::new();
    while let Some(request) = Received::read(&mut stream, &mut buffer).await {
        let id = request.header(headers::REQUEST_ID).unwrap_or_default();
        let id = id.to_owned();
        record.keep(request);
        // A client that has gone is no fault of the server.
        if !matches!(
            record.next_reply().perform(&mut stream, &id).await,
            Ok(true)
        ) {
            return;
        }
    }
}
