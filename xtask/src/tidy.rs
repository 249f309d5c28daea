//! What the compiler and clippy don't check: the arrows among the crates, and the rules for libraries, manifests and files.

mod attributes;
mod comments;
mod file_names;
mod finding;
mod libraries;
mod manifests;
mod sources;
mod tokens;

use anyhow::{Result, bail};

use self::sources::Sources;
use crate::workspace::Workspace;

/// Prints every finding as `file:line: message`; an error if there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut findings = manifests::check(workspace)?;
    let sources = Sources::read(workspace)?;
    for source in sources.all() {
        findings.extend(file_names::check(&source.path));
        findings.extend(comments::check(source));
        findings.extend(attributes::check(source));
    }
    for source in sources.libraries() {
        findings.extend(libraries::check(source));
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        eprintln!("tidy: {} files are fine", sources.all().count());
        Ok(())
    } else {
        bail!("tidy has {} findings", findings.len())
    }
}
