//! What criterion has measured.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workspace::Workspace;

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Where the figures of an area are written; its own folder, so that an old figure is never taken for a new one.
pub(super) fn folder(workspace: &Workspace, area: &str) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.root.join("target"), PathBuf::from);
    let target = std::path::absolute(target).context("CARGO_TARGET_DIR is not a path")?;
    Ok(target.join("nova-bench").join(area))
}

/// The median time of the benchmark `id` (`group/function`).
pub(super) fn nanoseconds(folder: &Path, id: &str) -> Result<f64> {
    let path = folder.join(id).join("new/estimates.json");
    let text = fs::read(&path)
        .with_context(|| format!("the benchmark `{id}` did not run: no {}", path.display()))?;
    let estimates: Estimates = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what criterion writes", path.display()))?;
    Ok(estimates.median.point_estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_read_and_a_missing_benchmark_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let new = dir.path().join("group/function/new");
        fs::create_dir_all(&new).expect("a folder");
        fs::write(
            new.join("estimates.json"),
            r#"{"mean":{"point_estimate":9.0},"median":{"point_estimate":3.5}}"#,
        )
        .expect("a file");
        let read = nanoseconds(dir.path(), "group/function").expect("measured");
        assert!((read - 3.5).abs() < f64::EPSILON);
        let error = nanoseconds(dir.path(), "group/other").expect_err("not measured");
        assert!(
            error.to_string().contains("`group/other` did not run"),
            "{error}"
        );
    }
}
