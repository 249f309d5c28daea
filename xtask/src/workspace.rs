//! The checkout: where it is and which packages it has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Table;

/// The checkout that the command was started in.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) manifest: Table,
}

impl Workspace {
    /// Looks for the workspace from the current folder upwards.
    pub(crate) fn discover() -> Result<Self> {
        let start = std::env::current_dir().context("the current folder is not readable")?;
        let root = start
            .ancestors()
            .find(|dir| {
                fs::read_to_string(dir.join("Cargo.toml"))
                    .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
            })
            .with_context(|| format!("no cargo workspace in {} or above it", start.display()))?;
        Self::at(root)
    }

    /// Reads the workspace whose root manifest is in `root`.
    pub(crate) fn at(root: &Path) -> Result<Self> {
        let manifest = read_manifest(&root.join("Cargo.toml"))?;
        let Some(members) = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("members"))
            .and_then(toml::Value::as_array)
        else {
            bail!("{}/Cargo.toml has no workspace members", root.display());
        };
        let packages = members
            .iter()
            .map(|member| {
                let dir = root.join(
                    member
                        .as_str()
                        .context("a workspace member is not a string")?,
                );
                let manifest = read_manifest(&dir.join("Cargo.toml"))?;
                let name = manifest
                    .get("package")
                    .and_then(|package| package.get("name"))
                    .and_then(toml::Value::as_str)
                    .with_context(|| format!("{}/Cargo.toml has no package name", dir.display()))?
                    .to_owned();
                Ok(Package {
                    name,
                    dir,
                    manifest,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            root: root.to_owned(),
            packages,
        })
    }

    /// The path as it reads from the root of the checkout.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

fn read_manifest(path: &Path) -> Result<Table> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse()
        .with_context(|| format!("{} is not valid TOML", path.display()))
}

impl Package {
    /// Whether the package is one of the family: a library that is published.
    pub(crate) fn is_library(&self) -> bool {
        self.manifest
            .get("package")
            .and_then(|package| package.get("publish"))
            .and_then(toml::Value::as_bool)
            != Some(false)
    }

    /// The names of the package's features.
    pub(crate) fn features(&self) -> impl Iterator<Item = &str> {
        self.manifest
            .get("features")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(Table::keys)
            .map(String::as_str)
    }
}
