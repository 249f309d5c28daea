//! Generates the files that are checked in: `xtask-codegen AREA FOLDER`, from the root of the checkout.
//!
//! A package of its own, so that `cargo xtask` builds in seconds.

mod auth;
mod events;

use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [area, folder] if area == "auth" => auth::write(Path::new(folder)),
        [area, folder] if area == "events" => events::write(Path::new(folder)),
        _ => bail!("usage: xtask-codegen auth|events FOLDER"),
    }
}
