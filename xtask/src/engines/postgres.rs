//! PostgreSQL from its package, as a user who is not root.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process::is_defunct;
use crate::{apt, program};

/// Where Debian puts the servers, by version; they are not on the `PATH`.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Makes the data folder if it is new, and returns the command that serves it.
pub(super) fn prepare(folder: &Path, port: u16) -> Result<Command> {
    let bin = programs()?;
    let user = User::current()?;
    let data = folder.join("data");
    if !data.join("PG_VERSION").exists() {
        // What a failed attempt has left keeps `initdb` from trying again.
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        user.own(folder)?;
        program::capture(
            user.command(&bin.join("initdb"), folder)?
                .arg("-D")
                .arg(&data)
                .args([
                    "-U",
                    "postgres",
                    "--auth=trust",
                    "--no-sync",
                    "-E",
                    "UTF8",
                    "--locale=C",
                ]),
        )
        .context("cannot make a PostgreSQL data folder")?;
    }
    clear_after_crash(&data)?;
    let mut command = user.command(&bin.join("postgres"), folder)?;
    command.arg("-D").arg(data).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "wal_level=logical",
        "max_wal_senders=8",
        "max_replication_slots=8",
        "max_connections=300",
    ] {
        command.args(["-c", setting]);
    }
    Ok(command)
}

/// Removes the lock of a server that was killed and that nobody has reaped.
///
/// PostgreSQL takes such a process for alive and would refuse to start. The lock also guards against the killed server's own children,
/// so they must be gone first.
fn clear_after_crash(data: &Path) -> Result<()> {
    let lock = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&lock) else {
        return Ok(());
    };
    let holder = text.lines().next().and_then(|pid| pid.parse().ok());
    if !holder.is_some_and(is_defunct) {
        return Ok(());
    }
    let data = fs::canonicalize(data)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while works_in(&data)? {
        if Instant::now() > deadline {
            bail!(
                "the server in {} was killed, but its children live on",
                data.display()
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
    fs::remove_file(&lock).with_context(|| format!("cannot delete {}", lock.display()))
}

/// Whether a process has `folder` as its working folder, as all of a server's processes have their data.
fn works_in(folder: &Path) -> Result<bool> {
    Ok(fs::read_dir("/proc")?
        .filter_map(Result::ok)
        .any(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder)))
}

/// The folder of the newest server on this machine, which is installed if there is none.
fn programs() -> Result<PathBuf> {
    if let Some(found) = newest(Path::new(VERSIONS)).or_else(on_path) {
        return Ok(found);
    }
    apt::install("postgresql")?;
    newest(Path::new(VERSIONS)).with_context(|| {
        format!("the package postgresql is installed, but {VERSIONS} has no server")
    })
}

fn newest(versions: &Path) -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(versions)
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

fn on_path() -> Option<PathBuf> {
    let bin = fs::canonicalize(program::find("initdb")?).ok()?;
    let bin = bin.parent()?;
    bin.join("postgres").is_file().then(|| bin.to_owned())
}

/// Whom the server runs as: it refuses to be root.
#[derive(Debug)]
pub(super) enum User {
    Myself,
    Other { uid: u32, gid: u32 },
}

impl User {
    pub(super) fn current() -> Result<Self> {
        if !apt::is_root()? {
            return Ok(Self::Myself);
        }
        for name in ["postgres", "nobody"] {
            let id = |flag| -> Option<u32> {
                let output = program::capture(Command::new("id").args([flag, name])).ok()?;
                output.trim().parse().ok()
            };
            if let (Some(uid), Some(gid)) = (id("-u"), id("-g")) {
                return Ok(Self::Other { uid, gid });
            }
        }
        bail!(
            "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`"
        )
    }

    fn own(&self, folder: &Path) -> Result<()> {
        match self {
            Self::Myself => Ok(()),
            Self::Other { uid, gid } => chown(folder, Some(*uid), Some(*gid))
                .with_context(|| format!("cannot give {} away", folder.display())),
        }
    }

    /// The program as this user, in a folder that the user can read.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Result<Command> {
        let mut command = match self {
            Self::Myself => Command::new(program),
            Self::Other { uid, gid } => {
                let mut command = Command::new(apt::ensure("setpriv", "util-linux")?);
                command
                    .arg(format!("--reuid={uid}"))
                    .arg(format!("--regid={gid}"))
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
        };
        command.current_dir(folder);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_version_is_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        for (version, programs) in [
            ("9", &["initdb", "postgres"][..]),
            ("15", &["initdb", "postgres"]),
            ("17", &["psql"]),
        ] {
            let bin = dir.path().join(version).join("bin");
            fs::create_dir_all(&bin).expect("a folder");
            for program in programs {
                fs::write(bin.join(program), "").expect("a file");
            }
        }
        assert_eq!(newest(dir.path()), Some(dir.path().join("15/bin")));
    }

    #[test]
    fn a_machine_without_servers_has_none() {
        assert_eq!(newest(Path::new("/nonexistent")), None);
    }
}
