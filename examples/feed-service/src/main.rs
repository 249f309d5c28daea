//! The feed service alone, configured by its environment.

use nova_feed_service::{Config, NAME, serve};
use nova_kit::{Environment, Settings, direct_call};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut environment = Environment::new();
    let direct_call = direct_call(&mut environment);
    let settings = Settings::read(environment, NAME, ([127, 0, 0, 1], 8085).into()).await?;
    let config = Config {
        http: settings.http,
        database: settings.database,
        kafka: settings.kafka,
        auth_url: settings.auth_url,
        direct_call,
    };
    let served = serve(config, settings.shutdown).await;
    settings.telemetry.shutdown().await?;
    served
}
