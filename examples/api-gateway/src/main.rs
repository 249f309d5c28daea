//! The gateway alone, configured by its environment.

use anyhow::bail;
use nova_api_gateway::{Config, NAME, Upstreams, serve};
use nova_kit::{Environment, TelemetrySettings, bind};
use nova_service::Shutdown;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut environment = Environment::new();
    let address = environment
        .optional("NOVA_BIND", "an address such as 127.0.0.1:8080")
        .unwrap_or_else(|| ([127, 0, 0, 1], 8080).into());
    let mut url = |name| environment.required::<String>(name, "http://HOST:PORT");
    let (auth_grpc, auth, user, content, feed) = (
        url("AUTH_SERVICE_URL"),
        url("NOVA_AUTH_URL"),
        url("NOVA_USER_URL"),
        url("NOVA_CONTENT_URL"),
        url("NOVA_FEED_URL"),
    );
    let telemetry = TelemetrySettings::read(&mut environment);
    environment.finish()?;
    let (Some(auth_url), Some(auth), Some(user), Some(content), Some(feed)) =
        (auth_grpc, auth, user, content, feed)
    else {
        bail!("the environment is incomplete");
    };
    let telemetry = telemetry.install(NAME, "info")?;
    let config = Config {
        http: bind(address).await?,
        auth_url,
        upstreams: Upstreams {
            auth,
            user,
            content,
            feed,
        },
    };
    let served = serve(config, Shutdown::on_signal()?).await;
    telemetry.shutdown().await?;
    served
}
