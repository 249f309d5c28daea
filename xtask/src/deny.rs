//! Licences, sources, duplicate versions and security advisories of the dependencies, by `cargo-deny`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{cache, program};

const VERSION: &str = "0.20.2";

/// Checks what can be checked, and says plainly what could not.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let cargo_deny = installed()?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&cargo_deny);
        command.current_dir(&workspace.root).args(arguments);
        command
    };
    match program::capture(&mut deny(&["fetch", "db"])) {
        Ok(_) => program::run(&mut deny(&["check", "--hide-inclusion-graph"])),
        Err(error) => {
            let offline = [
                "check",
                "--hide-inclusion-graph",
                "licenses",
                "bans",
                "sources",
            ];
            program::run(&mut deny(&offline))?;
            eprintln!(
                "WARNING: SECURITY ADVISORIES WERE NOT CHECKED: the database cannot be fetched\n{error:#}"
            );
            Ok(())
        }
    }
}

/// The program, built once and kept in the cache.
fn installed() -> Result<PathBuf> {
    let folder = cache::filled(&format!("cargo-deny-{VERSION}"), |folder| {
        let mut install = program::cargo();
        install
            .args([
                "install",
                "--locked",
                "--quiet",
                "cargo-deny",
                "--version",
                VERSION,
                "--root",
            ])
            .arg(folder)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            // It runs for seconds and would be built for minutes.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        program::run(&mut install).context("cannot install cargo-deny")?;
        std::fs::remove_dir_all(folder.join("target"))
            .context("cannot delete what cargo-deny was built from")
    })?;
    Ok(folder.join("bin/cargo-deny"))
}
