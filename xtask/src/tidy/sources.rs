//! The Rust files of the checkout that somebody wrote.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::tokens::{self, Token};
use crate::workspace::Workspace;

/// Every file, and which of them are library code.
#[derive(Debug)]
pub(super) struct Sources {
    files: Vec<Source>,
    library: BTreeSet<PathBuf>,
}

/// One file, by its path from the root of the checkout.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

impl Sources {
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        let mut paths = Vec::new();
        collect(&workspace.root, &mut paths)?;
        let files = paths
            .iter()
            .map(|path| {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                Source::new(workspace.relative(path), text)
            })
            .collect::<Result<Vec<_>>>()?;
        let roots: Vec<PathBuf> = workspace
            .packages
            .iter()
            .filter(|package| package.is_library())
            .map(|package| workspace.relative(&package.dir).join("src"))
            .collect();
        let library = library_paths(&files, &roots);
        Ok(Self { files, library })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// The files that end up in a published library: no binaries, no modules for tests only.
    pub(super) fn libraries(&self) -> impl Iterator<Item = &Source> {
        self.files
            .iter()
            .filter(|source| self.library.contains(&source.path))
    }
}

impl Source {
    pub(super) fn new(path: &Path, text: String) -> Result<Self> {
        let tokens =
            tokens::read(&text).with_context(|| format!("{} is not Rust", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            text,
            tokens,
        })
    }

    /// The modules in files of their own that only tests compile.
    fn test_modules(&self) -> impl Iterator<Item = PathBuf> {
        let dir = match self.path.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "main" | "mod") => self.path.with_file_name(""),
            _ => self.path.with_extension(""),
        };
        tokens::test_modules(&self.tokens).map(move |name| dir.join(name))
    }
}

fn library_paths(files: &[Source], roots: &[PathBuf]) -> BTreeSet<PathBuf> {
    let test_modules: Vec<PathBuf> = files.iter().flat_map(Source::test_modules).collect();
    files
        .iter()
        .map(|source| &source.path)
        .filter(|path| {
            roots.iter().any(|root| {
                path.starts_with(root)
                    && !path.starts_with(root.join("bin"))
                    && **path != root.join("main.rs")
            })
        })
        .filter(|path| {
            !test_modules
                .iter()
                .any(|module| path.starts_with(module) || **path == module.with_extension("rs"))
        })
        .cloned()
        .collect()
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "generated" {
                collect(&path, found)?;
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(Path::new(path), text.to_owned()).expect("Rust")
    }

    #[test]
    fn binaries_tests_and_modules_for_tests_are_not_library_code() {
        let files = [
            source("nova-x/src/lib.rs", "mod a; #[cfg(test)] mod laws;"),
            source("nova-x/src/a.rs", "#[cfg(test)] mod tests;"),
            source("nova-x/src/a/tests.rs", ""),
            source("nova-x/src/a/b.rs", ""),
            source("nova-x/src/laws.rs", ""),
            source("nova-x/src/laws/more.rs", ""),
            source("nova-x/src/main.rs", ""),
            source("nova-x/src/bin/tool.rs", ""),
            source("nova-x/tests/it/main.rs", ""),
            source("examples/y/src/lib.rs", ""),
        ];
        let library = library_paths(&files, &[PathBuf::from("nova-x/src")]);
        let library: Vec<_> = library
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            library,
            ["nova-x/src/a/b.rs", "nova-x/src/a.rs", "nova-x/src/lib.rs"]
        );
    }
}
