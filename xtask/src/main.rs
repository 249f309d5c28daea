//! Automation of the repository: `cargo xtask help` lists what it does.

mod apt;
mod bench;
mod cache;
mod chaos;
mod ci;
mod codegen;
mod debezium;
mod deny;
mod engines;
mod fuzz;
mod installed;
mod maven;
mod program;
mod test_engines;
mod test_run;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::workspace::Workspace;

/// Automation of the repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// PostgreSQL, PgBouncer, Apache Kafka and Redis on free loopback ports.
    #[command(subcommand)]
    Engines(engines::Action),
    /// The tests that need real engines; starts those that don't run.
    TestEngines {
        /// Only tests whose name contains this.
        filter: Option<String>,
    },
    /// The test that Debezium gives the same records as the outbox's relay; fetches Kafka Connect and Debezium (40 MB).
    Debezium,
    /// The rules that neither the compiler nor clippy knows.
    Tidy,
    /// All that must hold before a change is taken.
    Ci,
    /// Write the generated files.
    Codegen {
        /// Write nothing; fail if something would change.
        #[arg(long)]
        check: bool,
    },
    /// Benchmarks of one area, each held against its limit.
    Bench(bench::Options),
    /// A fault run with a check of its history.
    Chaos(chaos::Options),
    /// Search for inputs that break a property; needs a nightly compiler.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    run(Arguments::parse().task).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let workspace = Workspace::discover()?;
    match task {
        Task::Engines(action) => engines::run(&workspace, action)?,
        // The counts of these two are their last words, whatever the outcome.
        Task::TestEngines { filter } => {
            let count = test_engines::run(&workspace, filter.as_deref())?;
            println!("{count}");
            return Ok(exit_code(count.failed == 0));
        }
        Task::Debezium => {
            let count = debezium::run(&workspace)?;
            println!("{count}");
            return Ok(exit_code(count.failed == 0 && count.passed > 0));
        }
        Task::Ci => return Ok(exit_code(ci::run(&workspace))),
        Task::Tidy => tidy::run(&workspace)?,
        Task::Codegen { check } => codegen::run(&workspace, check)?,
        Task::Bench(options) => bench::run(&workspace, &options)?,
        Task::Chaos(options) => chaos::run(&workspace, &options)?,
        Task::Fuzz(options) => fuzz::run(&workspace, &options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn exit_code(success: bool) -> ExitCode {
    if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
