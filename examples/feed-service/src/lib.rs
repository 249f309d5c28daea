//! Feeds: each post is put into the feed of every follower when its event arrives, so that reading
//! one is a single query on the service's own tables.

mod cursor;
mod direct_call;
mod entry;
mod events;
mod feeds;
mod routes;

use anyhow::Context;
use nova_auth_client::AuthClient;
use nova_client::ServiceClient;
use nova_kit::{Database, Kafka, Migration, Service};
use nova_service::Shutdown;
use tokio::net::TcpListener;

pub use entry::FeedEntry;

/// The name of the service.
pub const NAME: &str = "feed-service";

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "feed",
    sql: include_str!("../migrations/0001_feed.sql"),
}];

/// What the service needs.
#[derive(Debug)]
pub struct Config {
    /// Where it serves HTTP.
    pub http: TcpListener,
    /// Its own database.
    pub database: Database,
    /// The broker that the events come from.
    pub kafka: Kafka,
    /// The auth service's gRPC address.
    pub auth_url: String,
    /// The content service's address, where posts are read by call instead of from the service's
    /// own copy: the way back from the event path.
    pub direct_call: Option<String>,
}

/// Serves until `shutdown` is asked for and everything has drained.
///
/// # Errors
///
/// Where the service can't start, or a worker fails for good.
pub async fn serve(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let pool = config.database.open(MIGRATIONS).await?;
    let auth = AuthClient::connect(&config.auth_url)
        .await
        .context("configure the auth client")?;
    let feeds = feeds::Feeds::new(pool.clone());

    let service = Service::new(NAME, env!("CARGO_PKG_VERSION"))?
        .owns_database(&pool)
        .runs(events::consumer(&config.kafka, &feeds)?);
    let content = config
        .direct_call
        .map(|url| ServiceClient::builder(NAME).base_url(&url).build())
        .transpose()?;
    let app = routes::router(feeds, content).layer(auth.layer());
    service.serve(config.http, app, shutdown).await
}
