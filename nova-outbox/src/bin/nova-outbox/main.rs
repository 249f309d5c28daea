//! The command `nova-outbox`: operates an outbox on PostgreSQL or SQLite. `nova-outbox help` says how.

mod age;
mod arguments;
mod completions;
mod confirmation;
mod database;
mod doctor;
mod failure;
mod list;
mod migrate;
mod output;
mod progress;
mod purge;
mod replay;
mod show;
mod stats;
mod table;
mod view;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.text() {
                eprintln!("error: {text}");
            }
            failure.exit_code()
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { global, command } = arguments;
    if let Command::Completions(options) = command {
        return completions::run(&options);
    }
    let admin = database::connect(global.database_url.as_ref()).await?;
    match command {
        Command::Stats => stats::run(&admin, &global).await,
        Command::List(options) => list::run(&admin, &global, options).await,
        Command::Show(options) => show::run(&admin, &global, &options).await,
        Command::Replay(options) => replay::run(&admin, &global, options).await,
        Command::Purge(options) => purge::run(&admin, &global, options).await,
        Command::Doctor(options) => doctor::run(&admin, &global, &options).await,
        Command::Migrate => migrate::run(&admin, &global).await,
        Command::Completions(_) => Ok(()),
    }
}
