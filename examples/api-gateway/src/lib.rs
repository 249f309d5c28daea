//! The one entry from outside: an explicit list of routes, the token checked once, and nothing
//! that a client sends trusted beyond that.

mod proxy;
mod routes;

use std::time::Duration;

use anyhow::Context;
use nova_auth_client::AuthClient;
use nova_kit::Service;
use nova_service::Shutdown;
use tokio::net::TcpListener;

pub use routes::Upstreams;

/// The name of the service.
pub const NAME: &str = "api-gateway";

/// The longest that a request may take.
pub const MAX_DEADLINE: Duration = Duration::from_secs(10);

/// What the gateway needs.
#[derive(Debug)]
pub struct Config {
    /// Where it serves HTTP.
    pub http: TcpListener,
    /// The auth service's gRPC address.
    pub auth_url: String,
    /// Where the services behind it are.
    pub upstreams: Upstreams,
}

/// Serves until `shutdown` is asked for and running requests have ended.
///
/// # Errors
///
/// Where the gateway can't start.
pub async fn serve(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let auth = AuthClient::connect(&config.auth_url)
        .await
        .context("configure the auth client")?;
    let proxy = proxy::Proxy::new().context("configure the proxy")?;
    let app = routes::router(&proxy, &config.upstreams, &auth)?;
    Service::new(NAME, env!("CARGO_PKG_VERSION"))?
        .public(MAX_DEADLINE)
        .serve(config.http, app, shutdown)
        .await
}
