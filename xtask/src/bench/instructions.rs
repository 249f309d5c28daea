//! Counting instructions: gungraun under valgrind, whose counts don't depend on what else the machine does.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{installed, program};

/// Whether this machine can count.
pub(super) fn available() -> bool {
    program::find("valgrind").is_some()
}

/// Runs the bench target under valgrind; what it counts is below `home`.
pub(super) fn count(workspace: &Workspace, bench: &str, home: &Path) -> Result<()> {
    let runner = installed::program("gungraun-runner", &library_version(workspace)?)?;
    let mut command = program::cargo();
    command
        .current_dir(&workspace.root)
        .args(["bench", "--package", "nova-benches", "--bench", bench])
        .env("GUNGRAUN_RUNNER", runner)
        .env("GUNGRAUN_HOME", home)
        .env("GUNGRAUN_SAVE_SUMMARY", "json");
    super::measure(&mut command)
}

/// The instructions of the benchmark `id` (`group/function`) of a bench target.
pub(super) fn counted(home: &Path, bench: &str, id: &str) -> Result<f64> {
    let path = home
        .join("nova-benches")
        .join(bench)
        .join(id)
        .join("summary.json");
    let text = fs::read(&path).with_context(|| {
        format!(
            "the instructions of `{id}` were not counted: no {}",
            path.display()
        )
    })?;
    let summary: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not valid", path.display()))?;
    summary
        .pointer("/profiles/0/data/total/metrics/Ir/values/new")
        .and_then(Value::as_f64)
        .with_context(|| format!("{} has no count of instructions", path.display()))
}

/// The runner must be of the library's version.
fn library_version(workspace: &Workspace) -> Result<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let path = workspace.root.join("Cargo.lock");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: Lock = toml::from_str(&text).context("Cargo.lock is not valid")?;
    lock.package
        .into_iter()
        .find(|package| package.name == "gungraun")
        .map(|package| package.version)
        .context("Cargo.lock has no gungraun")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_and_one_that_is_missing_is_an_error() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("nova-benches/calls/layers/bare");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(
            folder.join("summary.json"),
            r#"{"profiles":[{"data":{"total":{"metrics":{"Ir":{"values":{"new":501}}}}}}]}"#,
        )
        .expect("a file");
        let count = counted(home.path(), "calls", "layers/bare").expect("counted");
        assert!((count - 501.0).abs() < f64::EPSILON);
        let error = counted(home.path(), "calls", "layers/all").expect_err("not counted");
        assert!(
            error.to_string().contains("`layers/all` were not"),
            "{error}"
        );
    }
}
