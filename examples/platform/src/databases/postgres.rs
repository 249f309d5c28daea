use std::fmt;
use std::path::Path;

use anyhow::bail;
use nova_kit::{Database, Environment};

/// A database for each service, on one PostgreSQL server.
pub(crate) struct Databases {
    server: Database,
}

impl Databases {
    /// On the server that `DATABASE_URL` names.
    pub(crate) fn read(environment: &mut Environment, data: Option<&Path>) -> anyhow::Result<Self> {
        if data.is_some() {
            bail!("--data is for SQLite; this build keeps its data on the server of DATABASE_URL");
        }
        let server = environment.required("DATABASE_URL", "postgres://USER@HOST:PORT/DATABASE");
        let Some(server) = server else {
            bail!("there is no database without DATABASE_URL");
        };
        Ok(Self { server })
    }

    /// The database of `service`.
    pub(crate) async fn of(&self, service: &str) -> anyhow::Result<Database> {
        self.server.sibling(service).await
    }
}

impl fmt::Display for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL, a database for each service")
    }
}
