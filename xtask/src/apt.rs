//! Debian packages, installed where they are missing and where that is allowed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program;

/// The path of `program`, which is installed with the Debian package `package` if it is not on the `PATH`.
pub(crate) fn ensure(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(path) = program::find(program) {
        return Ok(path);
    }
    install(package)?;
    program::find(program).with_context(|| {
        format!("the package {package} is installed, but `{program}` is still not on the PATH")
    })
}

/// Installs a package as root, or by `sudo` where it asks for no password.
pub(crate) fn install(package: &str) -> Result<()> {
    if program::find("apt-get").is_none() {
        bail!("{package} is missing, and there is no apt-get here: install it and try again");
    }
    let is_root = is_root()?;
    if !is_root && !program::succeeds(Command::new("sudo").args(["-n", "true"])) {
        bail!("{package} is missing: run `sudo apt-get install {package}` and try again");
    }
    let apt_get = |arguments: &[&str]| {
        let mut command = if is_root {
            Command::new("env")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "env"]);
            sudo
        };
        // RUNLEVEL=1 keeps the package's scripts from starting system services on their usual ports.
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"])
            .args(["apt-get", "-qq"])
            .args(arguments);
        program::capture(&mut command)
    };
    eprintln!("installing {package} (apt-get)");
    apt_get(&["update"]).context("cannot read the package lists")?;
    apt_get(&["install", "-y", "--no-install-recommends", package])
        .with_context(|| format!("cannot install {package}"))?;
    Ok(())
}

/// Whether this process may do anything.
pub(crate) fn is_root() -> Result<bool> {
    Ok(program::capture(Command::new("id").arg("-u"))?.trim() == "0")
}
