//! The whole platform in one process: `cargo run -p nova-platform`.

mod args;
mod databases;
mod hosted;
mod load;
mod report;
mod scenario;
mod stack;
mod visitor;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use nova_kit::{Environment, TelemetrySettings};
use nova_service::Shutdown;

use args::{Args, Mode};
use report::Report;
use stack::{Stack, StackSettings};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut environment = Environment::new();
    let telemetry = TelemetrySettings::read(&mut environment);
    let settings = StackSettings::read(environment, args.data.as_deref())?;
    // What is shown on stdout is the scenario; the log is for what goes wrong. That a consumer is
    // not in its group yet is no news at a start, and the Kafka client repeats what the consumers
    // and the relays say.
    let telemetry = telemetry.install(
        "nova-platform",
        "warn,nova_service::health=off,librdkafka=off,rdkafka=off",
    )?;

    let mut report = Report::new(matches!(args.mode, Some(Mode::Demo { json: true })));
    let outcome = run(settings, args.mode.is_none(), &mut report).await;
    telemetry.shutdown().await?;
    report.finish(outcome)
}

/// Starts everything, plays the scenario, keeps serving where that is wished, and stops everything.
async fn run(settings: StackSettings, stay: bool, report: &mut Report) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signal()?;
    let (stack, mut supervisor) = Stack::start(settings).await.context("start the platform")?;
    report.listening(&stack);
    let script = async {
        stack.ready().await?;
        scenario::play(&stack, report).await;
        report.complete();
        if stay {
            report.serving();
            load::simulate(&stack, &shutdown).await?;
        }
        anyhow::Ok(())
    };
    let outcome = tokio::select! {
        outcome = script => outcome,
        // A service failed, or somebody asked for the end.
        served = supervisor.run(shutdown.clone()) => served.map_err(Into::into),
    };
    let stopped = supervisor.shutdown().await;
    outcome.and(stopped.map_err(Into::into))
}
