//! Programs of crates.io that the automation runs.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{cache, program};

/// The program of the crate `name`, built once and kept in the cache.
pub(crate) fn program(name: &str, version: &str) -> Result<PathBuf> {
    let folder = cache::filled(&format!("{name}-{version}"), |folder| {
        let mut install = program::cargo();
        install
            .args(["install", "--locked", "--quiet", name])
            .args(["--version", &format!("={version}")])
            .arg("--root")
            .arg(folder)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            // It runs for seconds and would be built for minutes.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        program::run(&mut install).with_context(|| format!("cannot install {name}"))?;
        std::fs::remove_dir_all(folder.join("target"))
            .with_context(|| format!("cannot delete what {name} was built from"))
    })?;
    Ok(folder.join("bin").join(name))
}
