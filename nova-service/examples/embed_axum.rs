//! An existing service on axum that now answers commands, tells its health, and calls another service.

use axum::{Extension, Json, Router, routing::get};
use nova_client::ServiceClient;
use nova_service::{Command, CommandReply, CommandRouter, Health, ServiceLayer, Shutdown, serve};
use tokio::net::TcpListener;

#[derive(serde::Deserialize)]
struct GetStreamInfo {
    stream_id: u64,
}

#[derive(serde::Serialize)]
struct StreamInfo {
    owner: String,
}

async fn streams() -> Json<[u64; 1]> {
    Json([42])
}

async fn info(
    users: Extension<ServiceClient>,
    command: Command<GetStreamInfo>,
) -> Result<CommandReply<StreamInfo>, nova_errors::ServiceError> {
    // The call gets what is left of this one's deadline.
    let id = command.stream_id;
    let owner = users.call("user-service", "names/get", id).await?;
    Ok(command.reply(StreamInfo { owner }))
}

pub(crate) async fn run(
    listener: TcpListener,
    users: ServiceClient,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let health = Health::new("streaming-service", "1.0.0").shutdown(shutdown.clone());
    let commands = CommandRouter::new("streaming-service").command("streams/info", info);
    let app = Router::new()
        .route("/streams", get(streams))
        .merge(commands.build()?)
        .merge(health.router())
        .layer(Extension(users));
    let app = ServiceLayer::new("streaming-service").wrap(app);
    Ok(serve(listener, app, shutdown).await?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let users = ServiceClient::new("streaming-service", "http://localhost:8081");
    let listener = TcpListener::bind("0.0.0.0:8089").await?;
    run(listener, users, Shutdown::on_signal()?).await
}
