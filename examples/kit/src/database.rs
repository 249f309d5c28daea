use std::borrow::Cow;
use std::fmt;
#[cfg(not(feature = "postgres"))]
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrationType, Migrator};

/// The database that the examples are built for. Services read as plain sqlx on this alias.
#[cfg(not(feature = "postgres"))]
pub type Db = sqlx::Sqlite;
/// The database that the examples are built for. Services read as plain sqlx on this alias.
#[cfg(feature = "postgres")]
pub type Db = sqlx::Postgres;

/// A pool of connections to [`Db`].
pub type Pool = sqlx::Pool<Db>;

/// A row of [`Db`].
pub type Row = <Db as sqlx::Database>::Row;

/// A transaction on [`Db`].
pub type Tx = sqlx::Transaction<'static, Db>;

/// One migration of a service: a version that rises, a name, and the statements.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Where it stands in the order.
    pub version: i64,
    /// What it does, in a word.
    pub name: &'static str,
    /// The statements; they serve both databases.
    pub sql: &'static str,
}

/// Which database a service uses. The URL may hold a password, so `Debug` leaves it out.
#[derive(Clone)]
pub struct Database(Place);

#[derive(Clone)]
enum Place {
    Url(String),
    #[cfg(not(feature = "postgres"))]
    File(PathBuf),
}

impl FromStr for Database {
    type Err = anyhow::Error;

    /// `sqlite:PATH`, or `postgres://…` with the feature `postgres`.
    fn from_str(url: &str) -> anyhow::Result<Self> {
        // Without a colon there is no scheme, and what stands there may be a password.
        let scheme = url.split_once(':').map(|(scheme, _)| scheme);
        match (scheme, cfg!(feature = "postgres")) {
            (Some("postgres" | "postgresql"), true) | (Some("sqlite"), false) => {
                Ok(Self(Place::Url(url.to_owned())))
            }
            (Some("postgres" | "postgresql"), false) => bail!(
                "it names PostgreSQL, but this binary was built for SQLite: build it with --features postgres"
            ),
            (Some("sqlite"), true) => bail!(
                "it names SQLite, but this binary was built for PostgreSQL: build it without --features postgres"
            ),
            _ => bail!("the scheme is neither sqlite: nor postgres:"),
        }
    }
}

impl Database {
    /// The SQLite file at `path`.
    #[cfg(not(feature = "postgres"))]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// Opens a pool and brings the tables up to date: the service's own and the outbox's.
    ///
    /// # Errors
    ///
    /// Where the database can't be reached within 10 s, or a migration fails.
    pub async fn open(&self, migrations: &[Migration]) -> anyhow::Result<Pool> {
        let pool = self.connect().await.context("open the database")?;
        nova_outbox::migrate(&pool)
            .await
            .context("migrate the outbox")?;
        migrator(migrations)
            .run(&pool)
            .await
            .context("migrate the tables of the service")?;
        Ok(pool)
    }

    // One connection: SQLite has one writer at a time anyway, and waiting for the pool is fair,
    // while waiting for SQLite's lock is not.
    #[cfg(not(feature = "postgres"))]
    async fn connect(&self) -> anyhow::Result<Pool> {
        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
        let options = match &self.0 {
            Place::Url(url) => url.parse::<SqliteConnectOptions>()?,
            Place::File(path) => SqliteConnectOptions::new().filename(path),
        };
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10));
        Ok(pool.connect_with(options).await?)
    }

    #[cfg(feature = "postgres")]
    async fn connect(&self) -> anyhow::Result<Pool> {
        use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
        let Place::Url(url) = &self.0;
        let options = url.parse::<PgConnectOptions>()?;
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(Duration::from_secs(10));
        Ok(pool.connect_with(options).await?)
    }

    /// The database of `service` on the same server, made if it isn't there: each service has its
    /// own. It is called `nova_SERVICE`, or `NAME_SERVICE` where the URL names a database of its own.
    ///
    /// # Errors
    ///
    /// Where the server can't be reached or refuses.
    #[cfg(feature = "postgres")]
    pub async fn sibling(&self, service: &str) -> anyhow::Result<Self> {
        use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar};
        let Place::Url(server) = &self.0;
        let mut url = url::Url::parse(server).context("parse DATABASE_URL")?;
        let group = match url.path().trim_matches('/') {
            "" | "postgres" => "nova",
            name => name,
        };
        let name = format!("{group}_{service}");
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        if !name.bytes().all(plain) {
            bail!("expected a database name of [a-z0-9_] in DATABASE_URL, got {group:?}");
        }
        let mut connection = PgConnection::connect(server)
            .await
            .context("connect to PostgreSQL")?;
        let exists: bool =
            query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
                .bind(&name)
                .fetch_one(&mut connection)
                .await?;
        if !exists {
            // The name was checked above, and a database's name can't be a parameter.
            query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
                .execute(&mut connection)
                .await
                .with_context(|| format!("create the database {name}"))?;
        }
        connection.close().await?;
        url.set_path(&name);
        url.as_str().parse()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

fn migrator(migrations: &[Migration]) -> Migrator {
    let migrations = migrations
        .iter()
        .map(|migration| {
            sqlx::migrate::Migration::new(
                migration.version,
                Cow::Borrowed(migration.name),
                MigrationType::Simple,
                migration.sql.into_sql_str(),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}
