//! Posts, each change written in one transaction with the event that tells of it.

mod commands;
mod events;
mod post;
mod routes;
mod store;

use anyhow::Context;
use nova_auth_client::AuthClient;
use nova_kit::{Database, Db, Kafka, Migration, Service};
use nova_outbox::Outbox;
use nova_service::Shutdown;
use tokio::net::TcpListener;

pub use post::{NewPost, Post, PostChange};

/// The name of the service.
pub const NAME: &str = "content-service";

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "posts",
    sql: include_str!("../migrations/0001_posts.sql"),
}];

/// What the service needs.
#[derive(Debug)]
pub struct Config {
    /// Where it serves HTTP.
    pub http: TcpListener,
    /// Its own database.
    pub database: Database,
    /// The broker that its events go to and the identity events come from.
    pub kafka: Kafka,
    /// The auth service's gRPC address.
    pub auth_url: String,
}

/// Serves until `shutdown` is asked for and everything has drained.
///
/// # Errors
///
/// Where the service can't start, or a worker fails for good.
pub async fn serve(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let pool = config.database.open(MIGRATIONS).await?;
    let outbox = Outbox::<Db>::builder(NAME).build()?;
    let auth = AuthClient::connect(&config.auth_url)
        .await
        .context("configure the auth client")?;

    let posts = store::Posts::new(pool.clone(), outbox.clone());
    let service = Service::new(NAME, env!("CARGO_PKG_VERSION"))?
        .owns_database(&pool)
        .relays(&outbox, &pool, &config.kafka)?
        .runs(events::consumer(&config.kafka, posts.clone())?);
    let app = routes::router(posts.clone())
        .layer(auth.layer())
        .merge(commands::router(posts)?);
    service.serve(config.http, app, shutdown).await
}
