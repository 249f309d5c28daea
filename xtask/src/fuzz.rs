//! Fuzz runs with libFuzzer, which comes with the fuzz targets; a nightly compiler is all that it needs.
//!
//! A package's targets are in its folder `fuzz`, laid out as cargo-fuzz has it, with a corpus for each that is checked in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::program;
use crate::workspace::Workspace;

/// Coverage that guides the search, and checks of memory and arithmetic.
const RUSTFLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Zsanitizer=address \
    -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Which fuzz target, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The target, or `list` for the targets that there are [default: all of them].
    name: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// A fuzz target.
#[derive(Debug)]
struct Target {
    /// The folder of the fuzz package.
    dir: PathBuf,
    name: String,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut targets = targets(workspace)?;
    match options.name.as_deref() {
        Some("list") => {
            for target in targets {
                println!("{}", target.name);
            }
            return Ok(());
        }
        Some(name) => targets.retain(|target| target.name == name),
        None => {}
    }
    if targets.is_empty() {
        bail!("there is no such fuzz target: `cargo xtask fuzz list` shows all");
    }
    for target in targets {
        target.fuzz(options.seconds)?;
    }
    Ok(())
}

fn targets(workspace: &Workspace) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for package in &workspace.packages {
        let dir = package.dir.join("fuzz");
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        let names = names(&text).with_context(|| format!("in {}", manifest.display()))?;
        targets.extend(names.into_iter().map(|name| Target {
            dir: dir.clone(),
            name,
        }));
    }
    Ok(targets)
}

/// The binaries of a manifest.
fn names(manifest: &str) -> Result<Vec<String>> {
    let manifest: Table = toml::from_str(manifest)?;
    let bins = manifest.get("bin").and_then(Value::as_array);
    bins.into_iter()
        .flatten()
        .map(|bin| {
            let name = bin.get("name").and_then(Value::as_str);
            name.map(str::to_owned).context("a [[bin]] without a name")
        })
        .collect()
}

impl Target {
    fn fuzz(&self, seconds: u64) -> Result<()> {
        let host = host()?;
        // The sanitizer is for the fuzz targets and not for build scripts: with `--target` cargo tells them apart.
        program::run(
            Command::new("cargo")
                .current_dir(&self.dir)
                .env("RUSTFLAGS", RUSTFLAGS)
                .env_remove("RUSTUP_TOOLCHAIN")
                .env_remove("CARGO")
                .args(["+nightly", "build", "--release", "--target", &host])
                .args(["--target-dir", "target", "--bin", &self.name]),
        )?;
        // What is found goes to the first folder, so that the corpus that is checked in stays as it is.
        let found = Path::new("target/corpus").join(&self.name);
        let artifacts = Path::new("artifacts").join(&self.name);
        for folder in [&found, &artifacts] {
            fs::create_dir_all(self.dir.join(folder))
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let binary = Path::new("target")
            .join(host)
            .join("release")
            .join(&self.name);
        program::run(
            Command::new(self.dir.join(binary))
                .current_dir(&self.dir)
                .arg(format!("-max_total_time={seconds}"))
                .arg(format!("-artifact_prefix={}/", artifacts.display()))
                .args(["-print_final_stats=1", "-timeout=10"])
                .arg(found)
                .arg(Path::new("corpus").join(&self.name)),
        )
    }
}

/// The platform of the nightly compiler.
fn host() -> Result<String> {
    let version = program::capture(Command::new("rustc").args(["+nightly", "-vV"]))
        .context("fuzzing needs a nightly compiler: rustup toolchain install nightly")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("the compiler does not say its host")?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_the_binaries_of_the_fuzz_package() {
        let manifest = "[[bin]]\nname = \"a\"\npath = \"x\"\n[[bin]]\nname = \"b\"\n";
        assert_eq!(names(manifest).unwrap(), ["a", "b"]);
        assert!(names("[package]\nname = \"x\"").unwrap().is_empty());
        assert!(names("[[bin]]\npath = \"x\"").is_err());
    }
}
