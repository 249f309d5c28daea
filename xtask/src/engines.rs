//! PostgreSQL, PgBouncer before it, Apache Kafka and Redis on free loopback ports, for the tests that need the real ones.
//!
//! They come from Docker where an engine answers and from packages elsewhere, run detached from this program, and keep their ports and
//! their data over `down` and `up`, so that a test can stop the broker and start it again.

mod docker;
mod engine;
mod kafka;
mod package;
mod pgbouncer;
mod postgres;
mod probe;
mod process;
mod redis;
mod state;

use anyhow::{Result, bail};
use clap::Subcommand;

pub(crate) use self::engine::Engine;
use self::state::{Provider, State};
use crate::workspace::Workspace;

/// What to do with the engines.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Start engines, or reuse those that run, and print the environment to export.
    Up {
        /// Which ones [default: all].
        engines: Vec<Engine>,
    },
    /// Stop engines; a later `up` finds the same ports and data.
    Down {
        /// Which ones [default: all].
        engines: Vec<Engine>,
        /// Delete their data too.
        #[arg(long)]
        purge: bool,
    },
    /// Print the environment of the running engines, to be evaluated by a shell.
    Env,
    /// Show what runs where.
    Status,
}

pub(crate) fn run(workspace: &Workspace, action: Action) -> Result<()> {
    match action {
        Action::Up { engines } => {
            up(workspace, &engines)?;
            print_env(&environment(workspace)?);
        }
        Action::Down { engines, purge } => down(workspace, &engines, purge)?,
        Action::Env => {
            let environment = environment(workspace)?;
            if environment.is_empty() {
                bail!("no engine is running: `cargo xtask engines up` starts them");
            }
            print_env(&environment);
        }
        Action::Status => status(workspace)?,
    }
    Ok(())
}

/// Starts the named engines (all, if none is named) and returns those that were not running before.
pub(crate) fn up(workspace: &Workspace, engines: &[Engine]) -> Result<Vec<Engine>> {
    let mut state = State::lock(&workspace.root)?;
    let mut started = Vec::new();
    for engine in chosen(engines) {
        if state.is_running(engine) {
            continue;
        }
        let provider = match state.provider() {
            Some(provider) => provider,
            None if docker::answers() => Provider::Docker,
            None => Provider::Packages,
        };
        eprintln!("starting {engine}");
        match provider {
            Provider::Docker => docker::up(workspace, &mut state, engine)?,
            Provider::Packages => package::up(&mut state, engine)?,
        }
        started.push(engine);
    }
    Ok(started)
}

/// Stops the named engines (all, if none is named).
pub(crate) fn down(workspace: &Workspace, engines: &[Engine], purge: bool) -> Result<()> {
    let mut state = State::lock(&workspace.root)?;
    for engine in chosen(engines) {
        match state.provider() {
            None => {}
            Some(Provider::Docker) => docker::down(workspace, &mut state, engine, purge)?,
            Some(Provider::Packages) => package::down(&mut state, engine, purge)?,
        }
    }
    Ok(())
}

/// The variables that lead to the running engines.
pub(crate) fn environment(workspace: &Workspace) -> Result<Vec<(&'static str, String)>> {
    let state = State::lock(&workspace.root)?;
    Ok(Engine::ALL
        .into_iter()
        .filter(|engine| state.is_running(*engine))
        .filter_map(|engine| Some((engine.variable(), engine.address(state.port(engine)?))))
        .collect())
}

fn print_env(environment: &[(&str, String)]) {
    for (name, value) in environment {
        println!("export {name}={value}");
    }
}

fn status(workspace: &Workspace) -> Result<()> {
    let state = State::lock(&workspace.root)?;
    for engine in Engine::ALL {
        let Some(record) = state.record(engine) else {
            println!("{engine:<10} absent");
            continue;
        };
        let running = if state.is_running(engine) {
            "running"
        } else {
            "stopped"
        };
        let address = engine.address(record.port);
        match &record.process {
            Some(process) if running == "running" => {
                println!("{engine:<10} {running}  {address}  pid {}", process.pid());
            }
            _ => println!("{engine:<10} {running}  {address}"),
        }
    }
    if let Some(home) = state.home() {
        println!("data and logs: {}", home.display());
    }
    Ok(())
}

fn chosen(engines: &[Engine]) -> Vec<Engine> {
    if engines.is_empty() {
        Engine::ALL.to_vec()
    } else {
        engines.to_vec()
    }
}
