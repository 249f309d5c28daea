//! Generated files that are checked in, so that nobody who uses a crate needs a generator.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program;
use crate::workspace::Workspace;

/// Folders whose every file is generated, and the area of `xtask-codegen` that makes them.
const OUTPUTS: [(&str, &str); 2] = [
    ("auth", "nova-auth-client/src/generated"),
    ("events", "nova-events/schemas"),
];

/// Generates everything. With `check` nothing is written, and a difference is an error.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let mut differences = Vec::new();
    for (area, folder) in OUTPUTS {
        let fresh =
            std::env::temp_dir().join(format!("nova-codegen-{area}-{}", std::process::id()));
        fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
        let outcome = generate(workspace, area, &fresh)
            .and_then(|()| compare(&workspace.root.join(folder), &fresh, check));
        fs::remove_dir_all(&fresh).ok();
        differences.extend(
            outcome?
                .into_iter()
                .map(|name| format!("{folder}/{}", name.display())),
        );
    }
    if differences.is_empty() {
        eprintln!("codegen: nothing has changed");
    } else if check {
        bail!(
            "{} differ from what `cargo xtask codegen` makes",
            differences.join(", ")
        );
    } else {
        eprintln!("codegen: wrote {}", differences.join(", "));
    }
    Ok(())
}

fn generate(workspace: &Workspace, area: &str, folder: &Path) -> Result<()> {
    program::run(
        program::cargo()
            .current_dir(&workspace.root)
            .args(["run", "--quiet", "--package", "xtask-codegen", "--", area])
            .arg(folder),
    )?;
    for name in files(folder)?.into_keys() {
        let path = folder.join(name);
        if path.extension().is_some_and(|extension| extension == "rs") {
            program::capture(
                Command::new("rustfmt")
                    .args(["--edition", "2024"])
                    .arg(&path),
            )?;
        }
    }
    Ok(())
}

/// Makes `folder` equal to `fresh`, unless it is only checked, and returns the names of the files that differ.
fn compare(folder: &Path, fresh: &Path, check: bool) -> Result<Vec<std::path::PathBuf>> {
    let old = if folder.is_dir() {
        files(folder)?
    } else {
        BTreeMap::new()
    };
    let new = files(fresh)?;
    let mut differences = Vec::new();
    for (name, content) in &new {
        if old.get(name) == Some(content) {
            continue;
        }
        differences.push(name.into());
        if !check {
            fs::create_dir_all(folder)?;
            fs::write(folder.join(name), content).context("cannot write a generated file")?;
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        differences.push(name.into());
        if !check {
            fs::remove_file(folder.join(name))
                .context("cannot delete a file that is generated no more")?;
        }
    }
    Ok(differences)
}

fn files(folder: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name(), fs::read(entry.path())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_finds_changed_missing_and_left_over_files_and_touches_none() {
        let dir = tempfile::tempdir().expect("a folder");
        let (kept, fresh) = (dir.path().join("kept"), dir.path().join("fresh"));
        for (folder, name, content) in [
            (&kept, "same.rs", "a"),
            (&kept, "changed.rs", "old"),
            (&kept, "left_over.rs", "b"),
            (&fresh, "same.rs", "a"),
            (&fresh, "changed.rs", "new"),
            (&fresh, "missing.rs", "c"),
        ] {
            fs::create_dir_all(folder).expect("a folder");
            fs::write(folder.join(name), content).expect("a file");
        }
        let expected = ["changed.rs", "missing.rs", "left_over.rs"].map(std::path::PathBuf::from);
        assert_eq!(compare(&kept, &fresh, true).expect("readable"), expected);
        assert_eq!(
            compare(&kept, &fresh, true).expect("readable"),
            expected,
            "a check writes nothing"
        );
        assert_eq!(compare(&kept, &fresh, false).expect("writable"), expected);
        assert_eq!(
            compare(&kept, &fresh, true).expect("readable"),
            Vec::<std::path::PathBuf>::new()
        );
    }
}
