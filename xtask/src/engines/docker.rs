//! Engines as containers, from `deploy/compose.yaml`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::process::Command;

use anyhow::{Context, Result};

use super::engine::Engine;
use super::state::{Provider, Record, State, free_port};
use crate::program;
use crate::workspace::Workspace;

/// Whether a Docker engine answers that has the compose plug-in.
pub(super) fn answers() -> bool {
    program::succeeds(Command::new("docker").arg("info"))
        && program::succeeds(Command::new("docker").args(["compose", "version"]))
}

/// Starts the engine, with the port and the data that it had before, and waits until it serves.
pub(super) fn up(workspace: &Workspace, state: &mut State, engine: Engine) -> Result<()> {
    let port = match state.port(engine) {
        Some(port) => port,
        None => free_port()?,
    };
    let record = Record {
        port,
        inner_port: None,
        process: None,
    };
    state.save(Provider::Docker, engine, record)?;
    let limit = engine.start_limit().as_secs().to_string();
    let started = program::capture(compose(workspace, state).args([
        "up",
        "--detach",
        "--wait",
        "--wait-timeout",
        &limit,
        engine.name(),
    ]));
    started.and_then(|_| engine.probe(port)).with_context(|| {
        format!(
            "{engine} did not start; its log ends with:\n{}",
            end_of_log(workspace, state, engine)
        )
    })?;
    eprintln!("{engine} is ready on port {port}");
    Ok(())
}

/// Stops the engine; its port and data stay, unless they are purged.
pub(super) fn down(
    workspace: &Workspace,
    state: &mut State,
    engine: Engine,
    purge: bool,
) -> Result<()> {
    if state.record(engine).is_none() {
        return Ok(());
    }
    eprintln!("stopping {engine}");
    program::capture(compose(workspace, state).args(["stop", engine.name()]))?;
    if !purge {
        return Ok(());
    }
    program::capture(compose(workspace, state).args([
        "rm",
        "--force",
        "--volumes",
        engine.name(),
    ]))?;
    let volume = format!("{}_{}", project(workspace), engine.name());
    program::capture(Command::new("docker").args(["volume", "rm", "--force", &volume]))?;
    state.forget(engine)?;
    if state.provider().is_none() {
        // The last one takes the network with it.
        program::capture(compose(workspace, state).arg("down"))?;
    }
    Ok(())
}

fn end_of_log(workspace: &Workspace, state: &State, engine: Engine) -> String {
    program::capture(compose(workspace, state).args([
        "logs",
        "--no-color",
        "--tail",
        "25",
        engine.name(),
    ]))
    .unwrap_or_else(|error| format!("{error:#}"))
}

fn compose(workspace: &Workspace, state: &State) -> Command {
    let mut command = Command::new("docker");
    command
        .args(["compose", "--project-name", &project(workspace), "--file"])
        .arg(workspace.root.join("deploy/compose.yaml"));
    for engine in Engine::ALL {
        if let Some(port) = state.port(engine) {
            command.env(
                format!("NOVA_{}_PORT", engine.name().to_uppercase()),
                port.to_string(),
            );
        }
    }
    command
}

/// One project for each checkout, so that two of them don't share containers.
fn project(workspace: &Workspace) -> String {
    let mut hasher = DefaultHasher::new();
    workspace.root.hash(&mut hasher);
    format!("nova-engines-{:016x}", hasher.finish())
}
