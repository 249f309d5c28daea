//! The user service alone, configured by its environment.

use nova_kit::{Environment, Settings};
use nova_user_service::{Config, NAME, serve};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::read(Environment::new(), NAME, ([127, 0, 0, 1], 8082).into()).await?;
    let config = Config {
        http: settings.http,
        database: settings.database,
        kafka: settings.kafka,
        auth_url: settings.auth_url,
    };
    let served = serve(config, settings.shutdown).await;
    settings.telemetry.shutdown().await?;
    served
}
