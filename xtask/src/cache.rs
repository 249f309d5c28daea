//! Downloads and tools that outlive a checkout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder `name` of the cache: below `$NOVA_CACHE`, `$XDG_CACHE_HOME/nova` or `~/.cache/nova`.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let base = std::env::var_os("NOVA_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("XDG_CACHE_HOME").map(|dir| Path::new(&dir).join("nova")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/nova")))
        .context("no home folder: set NOVA_CACHE to a folder for downloads")?;
    Ok(base.join(name))
}

/// The cached folder `name`, made by `fill` if it is not there yet.
///
/// `fill` works in a folder of its own that is renamed at the end: an interrupted download leaves nothing that looks whole.
pub(crate) fn filled(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let target = folder(name)?;
    if target.is_dir() {
        return Ok(target);
    }
    let partial = folder(&format!("{name}.{}.partial", std::process::id()))?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let outcome = fill(&partial).and_then(|()| match fs::rename(&partial, &target) {
        // Somebody else was faster; what they made is as good.
        Err(_) if target.is_dir() => Ok(()),
        outcome => outcome.with_context(|| format!("cannot create {}", target.display())),
    });
    if partial.is_dir() {
        fs::remove_dir_all(&partial).ok();
    }
    outcome.map(|()| target)
}
