//! The auth service alone, configured by its environment.

use std::net::SocketAddr;

use anyhow::bail;
use nova_auth_service::{Config, NAME, serve};
use nova_kit::{Environment, Kafka, TelemetrySettings, bind};
use nova_service::Shutdown;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut environment = Environment::new();
    let http: SocketAddr = environment
        .optional("NOVA_BIND", "an address such as 127.0.0.1:8081")
        .unwrap_or(([127, 0, 0, 1], 8081).into());
    let grpc: SocketAddr = environment
        .optional("NOVA_GRPC_BIND", "an address such as 127.0.0.1:8084")
        .unwrap_or(([127, 0, 0, 1], 8084).into());
    let database = environment.required("DATABASE_URL", "sqlite:PATH or postgres://…");
    let kafka = Kafka::read(&mut environment);
    let telemetry = TelemetrySettings::read(&mut environment);
    environment.finish()?;
    let (Some(database), Some(kafka)) = (database, kafka) else {
        bail!("the environment is incomplete");
    };
    let telemetry = telemetry.install(NAME, "info")?;
    let config = Config {
        http: bind(http).await?,
        grpc: bind(grpc).await?,
        database,
        kafka,
    };
    let served = serve(config, Shutdown::on_signal()?).await;
    telemetry.shutdown().await?;
    served
}
