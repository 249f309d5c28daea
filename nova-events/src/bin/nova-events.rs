//! The command of operators: replays dead letters.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use nova_errors::{Chain, ServiceError};
use nova_events::{DeadLetterReplay, EventRecord, ReceivedRecord, ReplayDecision};
use nova_service::Shutdown;

/// Looks after events.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends dead letters to the topics that they came from, from where the last replay got to.
    Replay(Replay),
}

#[derive(Debug, Args)]
struct Replay {
    /// Where the cluster is reached: host:port, several separated by commas.
    #[arg(long, env = "KAFKA_BROKERS")]
    brokers: String,
    /// The topic of the dead letters.
    #[arg(long)]
    topic: String,
    /// Only letters with this header, such as dlq_error_code=internal or event_type=content.post.created; all of several.
    #[arg(long, value_name = "HEADER=VALUE", value_parser = header)]
    filter: Vec<(String, String)>,
    /// The group that remembers how far replays got [default: of the topic and the filters].
    #[arg(long)]
    group: Option<String>,
    /// How often a record may be replayed in all.
    #[arg(long, default_value_t = 3)]
    max_replays: u32,
    /// How many letters are sent in a second at most.
    #[arg(long)]
    rate: Option<u32>,
    /// Only list what would be done.
    #[arg(long)]
    dry_run: bool,
    /// A setting of librdkafka, such as security.protocol=SASL_SSL.
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    setting: Vec<(String, String)>,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Replay(replay) = Cli::parse().command;
    match run(replay).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", Chain(&error));
            for violation in error.violations() {
                eprintln!("  {}: {}", violation.field, violation.message);
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Replay) -> Result<(), ServiceError> {
    let filters: BTreeMap<String, String> = options.filter.into_iter().collect();
    let mut builder = DeadLetterReplay::builder()
        .brokers(options.brokers)
        .topic(&options.topic)
        .max_replays(options.max_replays)
        .dry_run(options.dry_run)
        .inspect(tell);
    if let Some(group) = options.group.or_else(|| group(&options.topic, &filters)) {
        builder = builder.group(group);
    }
    if let Some(rate) = options.rate {
        builder = builder.rate(rate);
    }
    for (name, value) in options.setting {
        builder = builder.setting(name, value);
    }
    let replay = builder
        .filter(move |letter| {
            filters
                .iter()
                .all(|(name, value)| letter.header(name) == Some(value.as_bytes()))
        })
        .build()?;
    let report = replay.run(Shutdown::on_signal()?).await?;
    println!(
        "replayed {}, filtered out {}, replayed too often {}, without an origin {}{}",
        report.replayed,
        report.filtered,
        report.exhausted,
        report.unreadable,
        if options.dry_run { " (dry run)" } else { "" }
    );
    Ok(())
}

/// Each filter remembers how far it got by itself: what one passes over is another's.
fn group(topic: &str, filters: &BTreeMap<String, String>) -> Option<String> {
    if filters.is_empty() {
        return None;
    }
    let text: String = filters.iter().map(|(n, v)| format!("{n}={v}\n")).collect();
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes());
    Some(format!("{topic}.replay.{}", id.simple()))
}

fn tell(letter: &ReceivedRecord, decision: ReplayDecision) {
    let record = letter.record();
    let text = |name| shown(record, name);
    println!(
        "{}/{} {decision:?} {} {} from {}: {}",
        letter.partition(),
        letter.offset(),
        text("event_type"),
        text("event_id"),
        text("dlq_original_topic"),
        text("dlq_error_message"),
    );
}

fn shown(record: &EventRecord, header: &str) -> String {
    let value = record.header(header).unwrap_or(b"-");
    String::from_utf8_lossy(value).into_owned()
}
