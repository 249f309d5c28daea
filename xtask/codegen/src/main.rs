//! Generates the Rust code that is checked in: `xtask-codegen AREA FOLDER`, from the root of the checkout.
//!
//! A package of its own, so that `cargo xtask` builds in seconds.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [area, folder] if area == "auth" => auth(Path::new(folder)),
        _ => bail!("usage: xtask-codegen auth FOLDER"),
    }
}

/// The gRPC client and server of `nova.auth.v1`, and its descriptors for server reflection.
fn auth(folder: &Path) -> Result<()> {
    const PACKAGE: &str = "nova.auth.v1";
    let mut compiler = protox::Compiler::new(["nova-auth-client/proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_file("nova/auth/v1/auth.proto")
        .context("cannot compile the proto of nova-auth-client")?;
    tonic_prost_build::configure()
        .server_mod_attribute(PACKAGE, "#[cfg(feature = \"server\")]")
        // The users of the client bring the channel.
        .build_transport(false)
        // They hold a token or an e-mail address: the crate writes their `Debug` by hand.
        .skip_debug([
            ".nova.auth.v1.VerifyTokenRequest",
            ".nova.auth.v1.VerifyTokenResponse",
            ".nova.auth.v1.User",
        ])
        .emit_rerun_if_changed(false)
        .out_dir(folder)
        .compile_fds(compiler.file_descriptor_set())
        .context("cannot generate the code of nova.auth.v1")?;
    // Comments are for the readers of the code; reflection doesn't show them.
    compiler.include_source_info(false);
    let descriptors = folder.join(format!("{PACKAGE}.bin"));
    fs::write(&descriptors, compiler.encode_file_descriptor_set())
        .with_context(|| format!("cannot write {}", descriptors.display()))
}
