use std::sync::{Arc, Mutex};
use std::time::Duration;

use nova_errors::{Backoff, RetryPolicy, ServiceError, Violation};
use tokio::sync::mpsc;

use super::Supervisor;

/// Settings for a [`Supervisor`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct SupervisorBuilder {
    service: String,
    restart: Option<RetryPolicy>,
    stable_after: Duration,
    shutdown_deadline: Duration,
}

impl SupervisorBuilder {
    pub(super) fn new(service: String) -> Self {
        Self {
            service,
            restart: None,
            stable_after: Duration::from_secs(60),
            shutdown_deadline: Duration::from_secs(10),
        }
    }

    /// Sets how a worker that failed for a while is started again. By default 10 attempts in all, with full jitter from 100 ms to 30 s.
    pub fn restart(mut self, policy: RetryPolicy) -> Self {
        self.restart = Some(policy);
        self
    }

    /// Sets how long a worker must run before its attempts count anew. 60 s by default.
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.stable_after = time;
        self
    }

    /// Sets how long the stop of all workers together may take. 10 s by default.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// The supervisor, without workers.
    ///
    /// # Errors
    ///
    /// `Validation` for a restart policy without attempts, or where a time is zero or the deadline over a day.
    pub fn build(self) -> Result<Supervisor, ServiceError> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let restart = match self.restart {
            Some(policy) => policy,
            None => RetryPolicy::standard()
                .max_attempts(10)
                .backoff(Backoff::new(
                    Duration::from_millis(100),
                    Duration::from_secs(30),
                )?),
        };
        restart.validate()?;
        for (field, time) in [
            ("stable_after", self.stable_after),
            ("shutdown_deadline", self.shutdown_deadline),
        ] {
            if time.is_zero() || time > DAY {
                let violation = Violation::new(
                    field,
                    format!("expected more than zero and at most a day, got {time:?}"),
                );
                return Err(ServiceError::Validation(violation.into()));
            }
        }
        // The first failure stops the service; later ones are logged where they happen.
        let (failed, failures) = mpsc::channel(1);
        Ok(Supervisor {
            service: self.service.into(),
            restart,
            stable_after: self.stable_after,
            shutdown_deadline: self.shutdown_deadline,
            running: Vec::new(),
            all: Arc::new(Mutex::new(Vec::new())),
            failed,
            failures,
        })
    }
}
