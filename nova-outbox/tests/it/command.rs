//! The command, run as a process: what it writes, how it ends, what it changes.

mod arguments;
pub(crate) mod dead_letters;
pub(crate) mod doctor;
pub(crate) mod lists;
mod migrate;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nova_errors::ServiceError;
use nova_outbox::{
    Bucket, Failure, OutboxDatabase, OutboxStore, Outcomes, ReadRequest, RelayId, StoredEvent,
};
use serde_json::Value;
use sqlx::Sqlite;
use tempfile::TempDir;

use crate::service::{Service, sqlite_pool};

/// An outbox, and the URL that leads the command to it.
pub(crate) struct Operated<DB: OutboxDatabase> {
    pub(crate) service: Service<DB>,
    pub(crate) url: String,
    pub(crate) _folder: Option<TempDir>,
}

impl Operated<Sqlite> {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::on(sqlite_pool(&folder).await).await;
        Self {
            service,
            url: sqlite_url(&folder),
            _folder: Some(folder),
        }
    }
}

pub(crate) fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("outbox.db").display())
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The command without a terminal, on this database.
pub(crate) fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nova-outbox"));
    command
        .args(arguments)
        .env("DATABASE_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the command to its end.
pub(crate) async fn run(url: &str, arguments: &[&str]) -> Ran {
    let mut command = command(url, arguments);
    let output = tokio::task::spawn_blocking(move || command.output());
    output.await.unwrap().unwrap().into()
}

impl<DB: OutboxDatabase> Operated<DB> {
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.url, arguments).await
    }

    /// What a relay does to the events that match: gives them up, or puts their aggregates on hold.
    pub(crate) async fn fail(
        &self,
        matches: impl Fn(&StoredEvent) -> bool,
        hold: Option<Duration>,
    ) {
        let repository = self.service.repository();
        let relay = RelayId::new();
        let tenancy = repository
            .hold_leases(relay, Duration::from_secs(60))
            .await
            .unwrap();
        let buckets: Vec<_> = Bucket::all().collect();
        let request = ReadRequest::new(&buckets, &[], 10_000);
        let rows = repository.read(request).await.unwrap().events;
        let error = ServiceError::PayloadTooLarge("no\u{1b}[2Jroom".into());
        let failures = rows.iter().filter(|row| matches(row)).map(|row| {
            let lease = tenancy.leases.iter();
            let lease = lease.clone().find(|lease| lease.bucket == row.key.bucket);
            let delay = hold.unwrap_or_default();
            Failure::new(row.key, lease.unwrap().epoch, 6, delay, &error)
        });
        let mut outcomes = Outcomes::default();
        match hold {
            Some(_) => outcomes.held = failures.collect(),
            None => outcomes.dead = failures.collect(),
        }
        repository.settle(relay, &outcomes).await.unwrap();
        repository.leave(relay).await.unwrap();
    }
}
