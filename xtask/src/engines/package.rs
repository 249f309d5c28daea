//! Engines as processes of this machine, from Debian's packages and Maven Central.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::engine::Engine;
use super::process::{Process, Signal};
use super::state::{Provider, Record, State, free_port};
use super::{kafka, pgbouncer, postgres, redis};

/// How long an engine may take to end in good order.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Starts the engine, with the port and the data that it had before, and waits until it serves.
pub(super) fn up(state: &mut State, engine: Engine) -> Result<()> {
    let folder = state.folder(engine)?;
    let mut record = match state.record(engine) {
        Some(record) => record.clone(),
        None => Record {
            port: free_port()?,
            inner_port: (engine == Engine::Kafka).then(free_port).transpose()?,
            process: None,
        },
    };
    if let Some(process) = record.process.take() {
        // It lives and doesn't answer, or else there would be nothing to start.
        process.stop(signal(engine), STOP_LIMIT)?;
    }
    let command = match engine {
        Engine::Postgres => postgres::prepare(&folder, record.port)?,
        Engine::PgBouncer => {
            pgbouncer::prepare(&folder, record.port, state.port(Engine::Postgres))?
        }
        Engine::Kafka => kafka::prepare(&folder, record.port, record.inner_port)?,
        Engine::Redis => redis::prepare(&folder, record.port)?,
    };
    let log = Log::continued(folder.join("log"))?;
    let process = Process::spawn(&command, &log.path)?;
    record.process = Some(process.clone());
    let port = record.port;
    state.save(Provider::Packages, engine, record)?;
    wait_until_ready(engine, port, &process, &log)
}

/// Stops the engine; its port and data stay, unless they are purged.
pub(super) fn down(state: &mut State, engine: Engine, purge: bool) -> Result<()> {
    let Some(mut record) = state.record(engine).cloned() else {
        return Ok(());
    };
    if let Some(process) = record.process.take() {
        eprintln!("stopping {engine}");
        process.stop(signal(engine), STOP_LIMIT)?;
    }
    if !purge {
        return state.save(Provider::Packages, engine, record);
    }
    let folder = state.folder(engine)?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    state.forget(engine)
}

const fn signal(engine: Engine) -> Signal {
    match engine {
        Engine::Postgres => Signal::Interrupt,
        // PgBouncer ends at once.
        Engine::PgBouncer | Engine::Kafka | Engine::Redis => Signal::Terminate,
    }
}

fn wait_until_ready(engine: Engine, port: u16, process: &Process, log: &Log) -> Result<()> {
    let begun = Instant::now();
    loop {
        // A process first: somebody else's server may answer on a port that was taken meanwhile.
        if !process.is_running() {
            bail!("{engine} ended while it started; {}", log.end());
        }
        let Err(error) = engine.probe(port) else {
            eprintln!(
                "{engine} is ready on port {port} after {:.1?}",
                begun.elapsed()
            );
            return Ok(());
        };
        if begun.elapsed() > engine.start_limit() {
            process.stop(signal(engine), STOP_LIMIT)?;
            bail!(
                "{engine} was not ready within {:?} ({error:#}); {}",
                engine.start_limit(),
                log.end()
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// What an engine says from one start on.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    start: usize,
}

impl Log {
    /// The log at `path`, without what earlier starts have left in it.
    fn continued(path: PathBuf) -> Result<Self> {
        let start = match fs::metadata(&path) {
            Ok(metadata) => usize::try_from(metadata.len())?,
            Err(_) => 0,
        };
        Ok(Self { path, start })
    }

    /// The last lines, for an error message.
    fn end(&self) -> String {
        const LINES: usize = 25;
        let bytes = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes.get(self.start..).unwrap_or_default());
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
        format!("{} ends with:\n{tail}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn an_engine_that_dies_while_it_starts_is_reported_with_its_last_words() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        fs::write(&path, "an earlier start\n").expect("a file");
        let log = Log::continued(path).expect("a log");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo the disk is full; sleep 0.2; exit 1"]);
        let process = Process::spawn(&command, &log.path).expect("a process");
        let port = free_port().expect("a port");
        let error = wait_until_ready(Engine::Redis, port, &process, &log).expect_err("it died");
        let message = error.to_string();
        assert!(message.contains("the disk is full"), "{message}");
        assert!(!message.contains("an earlier start"), "{message}");
    }
}
