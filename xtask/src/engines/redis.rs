//! Redis from its package.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::apt;

/// Returns the command that serves `folder`; every write is in its log before it is answered.
pub(super) fn prepare(folder: &Path, port: u16) -> Result<Command> {
    let mut command = Command::new(apt::ensure("redis-server", "redis-server")?);
    command
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--daemonize",
            "no",
        ])
        .args(["--appendonly", "yes", "--save", ""])
        .arg("--dir")
        .arg(folder)
        .current_dir(folder);
    Ok(command)
}
