use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The gRPC client and server of `nova.auth.v1`, and its descriptors for server reflection.
pub(crate) fn write(folder: &Path) -> Result<()> {
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
