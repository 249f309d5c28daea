use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A way to PostgreSQL that counts the statements which clients let it execute, but for the beginning and the end of a transaction.
pub(crate) struct CountingProxy {
    address: SocketAddr,
    statements: Arc<AtomicU32>,
    _serves: AbortOnDropHandle<()>,
}

impl CountingProxy {
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let statements = Arc::<AtomicU32>::default();
        let counts = Arc::clone(&statements);
        let serves = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                // Messages go out one by one here: they are not to wait for each other's acknowledgement.
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                tokio::spawn(count(from_client, to_server, Arc::clone(&counts)));
                tokio::spawn(async move {
                    // The end of a connection is no failure.
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
            }
        });
        Self {
            address,
            statements,
            _serves: AbortOnDropHandle::new(serves),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many statements there were since the last time.
    pub(crate) fn take(&self) -> u32 {
        self.statements.swap(0, Ordering::Relaxed)
    }
}

/// Hands on what a client says, message by message.
async fn count(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    statements: Arc<AtomicU32>,
) -> std::io::Result<()> {
    // The first message has no type.
    let length = client.read_u32().await?;
    forward(&mut client, &mut server, None, length).await?;
    loop {
        let kind = client.read_u8().await?;
        let length = client.read_u32().await?;
        let body = forward(&mut client, &mut server, Some(kind), length).await?;
        let is_border = ["BEGIN", "COMMIT", "ROLLBACK"]
            .iter()
            .any(|word| body.starts_with(word.as_bytes()));
        if kind == b'E' || kind == b'Q' && !is_border {
            statements.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn forward(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    kind: Option<u8>,
    length: u32,
) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    client.read_exact(&mut body).await?;
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend(length.to_be_bytes());
    message.extend(&body);
    server.write_all(&message).await?;
    Ok(body)
}
