//! Who is who: register, log in, and answer who a token belongs to.

mod access_tokens;
mod accounts;
mod caller;
mod credentials;
mod grpc;
mod grpc_server;
mod identity;
mod password_pool;
mod revocation_feed;
mod revocations;
mod routes;
mod sessions;
mod signing_keys;
mod users;

use anyhow::Context;
use nova_kit::{Database, Db, Kafka, Migration, Service};
use nova_outbox::Outbox;
use nova_service::Shutdown;
use tokio::net::TcpListener;

use crate::identity::Identity;

/// The name of the service.
pub const NAME: &str = "auth-service";

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "identity",
    sql: include_str!("../migrations/0001_identity.sql"),
}];

/// What the service needs.
#[derive(Debug)]
pub struct Config {
    /// Where it serves HTTP.
    pub http: TcpListener,
    /// Where it serves gRPC.
    pub grpc: TcpListener,
    /// Its own database.
    pub database: Database,
    /// The broker that its events go to.
    pub kafka: Kafka,
}

/// Serves until `shutdown` is asked for and everything has drained.
///
/// # Errors
///
/// Where the service can't start, or a worker fails for good.
pub async fn serve(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let pool = config.database.open(MIGRATIONS).await?;
    let outbox = Outbox::<Db>::builder(NAME).build()?;
    let (identity, feed) = Identity::open(pool.clone(), outbox.clone())
        .await
        .context("set the identities up")?;

    let service = Service::new(NAME, env!("CARGO_PKG_VERSION"))?
        .owns_database(&pool)
        .relays(&outbox, &pool, &config.kafka)?
        .runs(feed);
    let health = service.health().shutdown(shutdown.clone());
    let service = service.runs(grpc_server::worker(config.grpc, identity.clone(), health));
    let app = routes::router(identity);
    service.serve(config.http, app, shutdown).await
}
