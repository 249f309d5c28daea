use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Runs every service of the platform, plays a scenario through the gateway, and goes on serving
/// with a light load until Ctrl-C.
///
/// Nothing else has to run. `KAFKA_BROKERS` names a broker to use instead of the one in the process; a
/// build with `--features postgres` keeps its data on the server that `DATABASE_URL` names.
#[derive(Debug, Parser)]
#[command(name = "nova-platform", version)]
pub(crate) struct Args {
    /// Where the databases are kept; a temporary folder where absent.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// Plays the scenario and ends: exit code 0 when every step held, 1 when one did not.
    Demo {
        /// Prints one JSON object with the steps and their latencies, and nothing else, on stdout.
        #[arg(long)]
        json: bool,
    },
}
