//! Licences, sources, duplicate versions and security advisories of the dependencies, by `cargo-deny`.

use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{installed, program};

const VERSION: &str = "0.20.2";

/// Checks what can be checked, and says plainly what could not.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let cargo_deny = installed::program("cargo-deny", VERSION)?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&cargo_deny);
        command.current_dir(&workspace.root).args(arguments);
        command
    };
    match program::capture(&mut deny(&["fetch", "db"])) {
        Ok(_) => program::run(&mut deny(&["check", "--hide-inclusion-graph"])),
        Err(error) => {
            let offline = [
                "check",
                "--hide-inclusion-graph",
                "licenses",
                "bans",
                "sources",
            ];
            program::run(&mut deny(&offline))?;
            eprintln!(
                "WARNING: SECURITY ADVISORIES WERE NOT CHECKED: the database cannot be fetched\n{error:#}"
            );
            Ok(())
        }
    }
}
