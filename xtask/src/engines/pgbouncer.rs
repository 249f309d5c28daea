//! PgBouncer from its package, in transaction mode before PostgreSQL.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::postgres::User;
use crate::apt;

/// Returns the command that passes every database of the PostgreSQL on `postgres` through, over few connections, so that clients share
/// them.
pub(super) fn prepare(folder: &Path, port: u16, postgres: Option<u16>) -> Result<Command> {
    let postgres = postgres.context("PgBouncer needs PostgreSQL: start that first")?;
    let settings = folder.join("pgbouncer.ini");
    fs::write(&settings, ini(port, postgres))
        .with_context(|| format!("cannot write {}", settings.display()))?;
    // Debian keeps it with the servers, which is not on everybody's `PATH`.
    let program = Path::new("/usr/sbin/pgbouncer");
    let program = if program.is_file() {
        program.to_owned()
    } else {
        apt::ensure("pgbouncer", "pgbouncer")?
    };
    let mut command = User::current()?.command(&program, folder)?;
    command.arg(settings);
    Ok(command)
}

fn ini(port: u16, postgres: u16) -> String {
    format!(
        "[databases]
* = host=127.0.0.1 port={postgres} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_postgres_it_says_what_is_missing() {
        let dir = tempfile::tempdir().expect("a folder");
        let error = prepare(dir.path(), 1, None).expect_err("no PostgreSQL");
        assert!(error.to_string().contains("start that first"), "{error}");
    }
}
