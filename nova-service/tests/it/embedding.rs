//! The examples that people copy from, run beside another service.

#[cfg(feature = "actix")]
#[path = "../../examples/embed_actix.rs"]
#[expect(dead_code, reason = "its `main` is for the example alone")]
mod embed_actix;
#[path = "../../examples/embed_axum.rs"]
#[expect(dead_code, reason = "its `main` is for the example alone")]
mod embed_axum;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use nova_client::ServiceClient;
use nova_errors::{ErrorKind, ServiceError};
use nova_service::{Command, CommandReply, CommandRouter, ServiceLayer, Shutdown, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

async fn name(command: Command<u64>) -> Result<CommandReply<String>, ServiceError> {
    match *command {
        42 => Ok(command.reply("ada".to_owned())),
        id => Err(ServiceError::NotFound(format!("owner of {id}").into())),
    }
}

fn users() -> Router {
    let commands = CommandRouter::new("user-service").command("names/get", name);
    ServiceLayer::new("user-service").wrap(commands.build().unwrap())
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn get(address: SocketAddr, path: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap()
}

/// Starts the example with `run`, asks it for everything that it can do, and stops it.
async fn try_out<Run, Running>(run: Run)
where
    Run: FnOnce(TcpListener, ServiceClient, Shutdown) -> Running,
    Running: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (trigger, shutdown) = Shutdown::new();
    let (listener, address) = bind().await;
    let peer = tokio::spawn(serve(listener, users(), shutdown.clone()));
    let users = ServiceClient::new("streaming-service", &format!("http://{address}"));
    let (listener, address) = bind().await;
    let example = tokio::spawn(run(listener, users, shutdown));

    let client = ServiceClient::new("gateway", &format!("http://{address}"));
    let info = |id: u64| {
        let command = serde_json::json!({ "stream_id": id });
        client.call::<serde_json::Value>("streaming-service", "streams/info", command)
    };
    assert_eq!(info(42).await.unwrap()["owner"], "ada");
    let error = info(7).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.public_message(), "owner of 7");
    assert!(get(address, "/streams").await.ends_with("[42]"));
    let ready = get(address, "/health/ready").await;
    assert!(ready.contains(r#""status":"healthy""#), "{ready}");
    let unknown = get(address, "/nowhere").await;
    assert!(unknown.contains("application/problem+json"), "{unknown}");

    trigger.shutdown();
    let stopped = async { (peer.await.unwrap(), example.await.unwrap()) };
    let (peer, example) = tokio::time::timeout(PATIENCE, stopped).await.unwrap();
    peer.unwrap();
    example.unwrap();
}

#[tokio::test]
async fn an_existing_service_on_axum_joins_in() {
    try_out(embed_axum::run).await;
}

#[cfg(feature = "actix")]
#[tokio::test]
async fn an_existing_service_on_actix_joins_in() {
    let run = |listener: TcpListener, users, shutdown| {
        embed_actix::run(listener.into_std().unwrap(), users, shutdown)
    };
    try_out(run).await;
}

#[test]
fn an_example_is_short_enough_to_copy() {
    for example in [
        include_str!("../../examples/embed_axum.rs"),
        include_str!("../../examples/embed_actix.rs"),
    ] {
        let lines = example.lines().count();
        assert!(lines < 60, "{lines} lines");
    }
}
