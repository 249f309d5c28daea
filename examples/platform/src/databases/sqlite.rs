use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nova_kit::{Database, Environment};
use tempfile::TempDir;

/// A database for each service: SQLite files in one folder.
pub(crate) struct Databases {
    path: PathBuf,
    // Removed with everything in it when the platform has stopped.
    folder: Option<TempDir>,
}

impl Databases {
    /// In `data`, or in a temporary folder.
    pub(crate) fn read(environment: &mut Environment, data: Option<&Path>) -> anyhow::Result<Self> {
        let url: Option<Database> = environment.optional("DATABASE_URL", "postgres://…");
        if url.is_some() {
            bail!("DATABASE_URL is set, but each service has a file of its own: use --data DIR");
        }
        let Some(path) = data else {
            let folder = tempfile::Builder::new()
                .prefix("nova-")
                .tempdir()
                .context("make a temporary folder")?;
            return Ok(Self {
                path: folder.path().to_owned(),
                folder: Some(folder),
            });
        };
        std::fs::create_dir_all(path)
            .with_context(|| format!("make the folder {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            folder: None,
        })
    }

    /// The database of `service`.
    #[expect(clippy::unused_async, reason = "on PostgreSQL this asks the server")]
    pub(crate) async fn of(&self, service: &str) -> anyhow::Result<Database> {
        Ok(Database::file(self.path.join(format!("{service}.db"))))
    }
}

impl fmt::Display for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = if self.folder.is_some() {
            " (temporary; --data DIR keeps it)"
        } else {
            ""
        };
        write!(f, "SQLite in {}{fate}", self.path.display())
    }
}
