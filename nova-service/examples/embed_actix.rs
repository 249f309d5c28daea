//! An existing service on actix-web that now answers commands, tells its health, and calls another service.

use std::net::TcpListener;

use actix_web::{App, HttpServer, web};
use nova_client::ServiceClient;
use nova_service::{Command, CommandReply, Health, ServiceLayer, Shutdown, actix};

#[derive(serde::Deserialize)]
struct GetStreamInfo {
    stream_id: u64,
}

#[derive(serde::Serialize)]
struct StreamInfo {
    owner: String,
}

async fn streams() -> web::Json<[u64; 1]> {
    web::Json([42])
}

async fn info(
    users: web::Data<ServiceClient>,
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
    let health = actix::HealthRoutes::new(health);
    let commands = actix::CommandRouter::new("streaming-service").command("streams/info", info);
    let commands = commands.build()?;
    let app = move || {
        App::new()
            .app_data(web::Data::new(users.clone()))
            .route("/streams", web::get().to(streams))
            .service(health.clone())
            .service(commands.clone())
            .wrap(ServiceLayer::new("streaming-service"))
    };
    let server = HttpServer::new(app).disable_signals().listen(listener)?;
    Ok(actix::serve(server.run(), shutdown).await?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let users = ServiceClient::new("streaming-service", "http://localhost:8081");
    let listener = TcpListener::bind("0.0.0.0:8089")?;
    run(listener, users, Shutdown::on_signal()?).await
}
