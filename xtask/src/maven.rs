//! Jars from Maven Central.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{apt, cache, program};

/// The folder with the jars that `pom` depends on, from the cache under `name`, or from Maven Central.
pub(crate) fn jars(name: &str, pom: &str) -> Result<PathBuf> {
    cache::filled(name, |folder| {
        let maven = apt::ensure("mvn", "maven")?;
        eprintln!("downloading {name} (Maven Central)");
        let file = folder.join("pom.xml");
        fs::write(&file, pom)?;
        program::capture(
            Command::new(maven)
                .args(["--batch-mode", "--quiet", "--strict-checksums", "--file"])
                .arg(&file)
                .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
                .arg(format!("-DoutputDirectory={}", folder.display())),
        )
        .map(drop)
    })
}
