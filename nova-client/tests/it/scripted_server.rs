//! A server that answers by a script and keeps what it received, byte for byte.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What the server does with a request, once it has read all of it.
pub(crate) enum Reply {
    /// Sends these bytes; `{id}` stands for the request's id.
    Bytes(String),
    /// Sends these bytes and closes the connection.
    BytesThenClose(String),
    /// Says nothing and keeps the connection open.
    Silence,
    /// Resets the connection.
    Reset,
}

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct ScriptedServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl ScriptedServer {
    pub(crate) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Mutex<VecDeque<Reply>>> =
            Arc::new(Mutex::new(script.into_iter().collect()));
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&received), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                serving.spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self {
            address,
            received,
            connections,
            accepting: accepting.abort_handle(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A whole answer with `body`, whose `{id}` has the length of a UUID.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.replace("{id}", &"0".repeat(36)).len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// The answer of a success with `data`.
pub(crate) fn success(data: &str) -> Reply {
    Reply::Bytes(answer("200 OK", JSON, &envelope(data)))
}

/// The envelope of a success with `data`.
pub(crate) fn envelope(data: &str) -> String {
    format!(
        r#"{{"request_id":"{{id}}","success":true,"data":{data},"error":null,"timestamp":"2025-10-28T00:00:00Z"}}"#
    )
}

pub(crate) const JSON: &str = "content-type: application/json\r\n";

async fn serve(
    mut stream: TcpStream,
    script: Arc<Mutex<VecDeque<Reply>>>,
    log: Arc<Mutex<Vec<Received>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let id = request.header("x-request-id").unwrap_or("none").to_owned();
        log.lock().unwrap().push(request);
        let reply = script.lock().unwrap().pop_front();
        match reply {
            Some(Reply::Bytes(text)) => {
                let _ = stream.write_all(text.replace("{id}", &id).as_bytes()).await;
            }
            Some(Reply::BytesThenClose(text)) => {
                let _ = stream.write_all(text.replace("{id}", &id).as_bytes()).await;
                return;
            }
            Some(Reply::Silence) => std::future::pending().await,
            Some(Reply::Reset) => {
                stream.set_zero_linger().unwrap();
                return;
            }
            None => {
                let text = answer("500 The Script Is Over", "", "");
                let _ = stream.write_all(text.as_bytes()).await;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut request = Received {
        head: String::from_utf8(bytes[..end].to_vec()).ok()?,
        body: String::new(),
    };
    let length: usize = request.header("content-length")?.parse().ok()?;
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    request.body = String::from_utf8(bytes[end..end + length].to_vec()).ok()?;
    Some(request)
}
