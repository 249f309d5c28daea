//! A process that lives on after this program, known by its id and the time of its start.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::program;

/// The state of a process that has ended and was not reaped.
const DEFUNCT: &str = "Z";

/// A detached process.
///
/// The start time tells it from a later process that was given the same id, which must never be signalled.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Process {
    pid: u32,
    started: String,
}

/// What a process is asked to end with, before it is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// Ends most servers in good order.
    Terminate,
    /// Ends PostgreSQL without waiting for its clients.
    Interrupt,
}

impl Process {
    /// Starts `command` in a session of its own, with its output appended to `log`.
    ///
    /// The program must be started by its full path.
    pub(super) fn spawn(command: &Command, log: &Path) -> Result<Self> {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut detached = in_own_session(command);
        detached
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = detached
            .spawn()
            .with_context(|| format!("cannot start `{}`", program::show(command)))?;
        let pid = child.id();
        let started = start_time(pid).with_context(|| {
            format!(
                "`{}` ended at once; see {}",
                program::show(command),
                log.display()
            )
        })?;
        Ok(Self { pid, started })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn is_running(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    /// Asks the process to end, waits for it, and kills it when `patience` is over.
    pub(super) fn stop(&self, signal: Signal, patience: Duration) -> Result<()> {
        let name = match signal {
            Signal::Terminate => "TERM",
            Signal::Interrupt => "INT",
        };
        if self.signal(name) && self.ends_within(patience) {
            return Ok(());
        }
        if self.is_running() {
            eprintln!(
                "process {} did not end within {patience:?}: killing it",
                self.pid
            );
            self.signal("KILL");
            if !self.ends_within(Duration::from_secs(10)) {
                bail!("process {} cannot be killed", self.pid);
            }
        }
        Ok(())
    }

    fn signal(&self, name: &str) -> bool {
        // The shell's own `kill`: not every machine has the program.
        self.is_running()
            && program::succeeds(
                Command::new("sh")
                    .args(["-c", "kill -s \"$0\" \"$1\"", name])
                    .arg(self.pid.to_string()),
            )
    }

    fn ends_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_running() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

/// The same command behind `setsid`, which becomes it and so has its process id.
fn in_own_session(command: &Command) -> Command {
    let mut detached = match program::find("setsid") {
        Some(setsid) => {
            let mut detached = Command::new(setsid);
            detached.arg(command.get_program());
            detached
        }
        None => {
            use std::os::unix::process::CommandExt;
            let mut detached = Command::new(command.get_program());
            detached.process_group(0);
            detached
        }
    };
    detached.args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        detached.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => detached.env(name, value),
            None => detached.env_remove(name),
        };
    }
    detached
}

/// When the process with this id started, in the system's own terms; nothing if it has ended.
fn start_time(pid: u32) -> Option<String> {
    if !Path::new("/proc/self/stat").exists() {
        let output =
            program::capture(Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]))
                .ok()?;
        return Some(output.trim().to_owned()).filter(|started| !started.is_empty());
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = fields_after_name(&stat)?;
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (state != DEFUNCT).then(|| started.to_owned())
}

/// Whether the process has ended, but is still listed because its parent never asked how.
///
/// In a container whose first process is no init system that lasts for ever.
pub(super) fn is_defunct(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        fields_after_name(&stat).and_then(|mut fields| fields.next()) == Some(DEFUNCT)
    })
}

/// The fields from the third on. The second is the program's name in parentheses, which may hold spaces.
fn fields_after_name(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let process = Process::spawn(&command, &dir.path().join("log")).expect("a process");
        (dir, process)
    }

    #[test]
    fn a_process_runs_until_it_is_stopped() {
        let (_dir, process) = start("exec sleep 600");
        assert!(process.is_running());
        process
            .stop(Signal::Terminate, Duration::from_secs(20))
            .expect("stopped");
        assert!(!process.is_running());
    }

    #[test]
    fn a_process_that_ignores_the_signal_is_killed() {
        let (dir, process) = start("trap '' TERM; echo deaf; while :; do sleep 0.05; done");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !fs::read_to_string(dir.path().join("log")).is_ok_and(|log| log.contains("deaf")) {
            assert!(Instant::now() < deadline, "the script did not start");
            thread::sleep(Duration::from_millis(5));
        }
        process
            .stop(Signal::Terminate, Duration::from_millis(200))
            .expect("killed");
        assert!(!process.is_running());
    }

    #[test]
    fn a_process_id_that_was_given_to_another_is_left_alone() {
        let (_dir, process) = start("exec sleep 600");
        let stale = Process {
            pid: process.pid,
            started: "another time".to_owned(),
        };
        assert!(!stale.is_running());
        stale
            .stop(Signal::Terminate, Duration::from_secs(1))
            .expect("nothing to do");
        assert!(process.is_running());
        process
            .stop(Signal::Terminate, Duration::from_secs(20))
            .expect("stopped");
    }
}
