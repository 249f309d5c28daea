use clap::{Args, Parser, Subcommand};

use crate::database::DatabaseUrl;
use crate::{completions, doctor, list, purge, replay, show};

/// Operates an outbox on PostgreSQL or SQLite.
#[derive(Debug, Parser)]
#[command(name = "nova-outbox", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed: the database is away or refuses
  2    wrong arguments
  3    `doctor` found something
  4    there is no such event
  5    not confirmed
  130  interrupted after a batch; the same command goes on";

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// postgres://… or sqlite:…; better in the environment, as other users can see arguments.
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) database_url: Option<DatabaseUrl>,
    /// Write JSON to the standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Change nothing; say what would be done.
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Ask nothing.
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Count what is in the outbox.
    Stats,
    /// List events, a page at a time.
    List(list::Options),
    /// Show all that there is of an event.
    Show(show::Options),
    /// Put dead letters back into the outbox, behind what their aggregates have enqueued since.
    Replay(replay::Options),
    /// Delete dead letters for good.
    Purge(purge::Options),
    /// Check the outbox up: tables, leases, backlog, and what of the database it rests on.
    Doctor(doctor::Options),
    /// Make the tables, or bring them up to date.
    Migrate,
    /// Write a completion script for a shell.
    Completions(completions::Options),
}
