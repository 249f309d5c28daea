use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nova_errors::ServiceError;
use nova_outbox::OutboxAdmin;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection};

use crate::failure::Failure;

/// Where the outbox is. It may hold a password: nothing shows it, and nothing is said of it that quotes it.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

/// Any text will do here: clap quotes a value that is refused.
impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

/// How long it may take until the database answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the database that the URL's scheme tells, with one connection.
pub(crate) async fn connect(url: Option<&DatabaseUrl>) -> Result<OutboxAdmin, Failure> {
    let url = url.map(|url| url.0.trim()).unwrap_or_default();
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => postgres(url).await,
        Some(("sqlite", _)) => sqlite(url).await,
        _ if url.is_empty() => Err(Failure::Usage(
            "which database? Set DATABASE_URL, or say --database-url".to_owned(),
        )),
        _ => Err(Failure::Usage(
            "the database URL must begin with postgres:// or sqlite:".to_owned(),
        )),
    }
}

async fn postgres(url: &str) -> Result<OutboxAdmin, Failure> {
    // What is wrong with it may quote it.
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        Failure::Usage(
            "the database URL is not postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned(),
        )
    })?;
    let options = options
        .application_name("nova-outbox")
        .extra_float_digits(None);
    // A pool would go on trying where nobody listens.
    let first = tokio::time::timeout(PATIENCE, options.connect()).await;
    let first = first.map_err(|_| ServiceError::Timeout("connect to the database".into()))?;
    first.map_err(ServiceError::from)?.close().await.ok();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options);
    Ok(pool.into())
}

async fn sqlite(url: &str) -> Result<OutboxAdmin, Failure> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| Failure::Usage("the database URL is not sqlite:PATH".to_owned()))?;
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_with(options)
        .await
        .map_err(ServiceError::from)?;
    Ok(pool.into())
}
