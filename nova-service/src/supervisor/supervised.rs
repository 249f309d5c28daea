use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use nova_errors::{Chain, FailedAttempt, RetryDecision, RetryPolicy, ServiceError};
use tokio::time::Instant;

use super::WorkerState;
use crate::panic::Panic;
use crate::{BackgroundWorker, Shutdown, WorkerError};

/// A worker with its name and state.
pub(super) struct Supervised {
    service: Arc<str>,
    name: String,
    worker: Arc<dyn BackgroundWorker>,
    state: AtomicU8,
}

impl Supervised {
    pub(super) fn new(service: Arc<str>, name: String, worker: Arc<dyn BackgroundWorker>) -> Self {
        let supervised = Self {
            service,
            name,
            worker,
            state: AtomicU8::new(0),
        };
        supervised.set_state(WorkerState::Running);
        supervised
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self) -> WorkerState {
        WorkerState::from_number(self.state.load(Ordering::Relaxed))
    }

    pub(super) fn set_state(&self, state: WorkerState) {
        self.state.store(state as u8, Ordering::Relaxed);
        metrics::gauge!(
            "nova_worker_state",
            "service" => self.service.clone(),
            "worker" => self.name.clone(),
        )
        .set(f64::from(state as u8));
    }

    /// Runs the worker until it is asked to stop, has finished, or fails for good.
    pub(super) async fn keep_running(
        &self,
        restart: RetryPolicy,
        stable_after: Duration,
        shutdown: Shutdown,
    ) -> Result<(), ServiceError> {
        let mut attempt = 0_u32;
        let mut first_start = Instant::now();
        loop {
            self.set_state(WorkerState::Running);
            let started = Instant::now();
            let failure = match self.run_once(shutdown.clone()).await {
                Ok(()) => {
                    self.set_state(WorkerState::Stopped);
                    if !shutdown.is_requested() {
                        tracing::info!(service = %self.service, worker = self.name, "worker has finished");
                    }
                    return Ok(());
                }
                Err(failure) => failure,
            };
            if started.elapsed() >= stable_after {
                (attempt, first_start) = (0, started);
            }
            attempt = attempt.saturating_add(1);
            let failed = FailedAttempt::number(attempt).elapsed(first_start.elapsed());
            let Some(wait) = self.wait_before_restart(restart, failed, &failure) else {
                self.set_state(WorkerState::Failed);
                let error = failure.into_error();
                tracing::error!(
                    service = %self.service, worker = self.name, attempt, error = %Chain(&error),
                    "worker has failed for good"
                );
                return Err(error);
            };
            let error = failure.error();
            if shutdown.is_requested() {
                self.set_state(WorkerState::Stopped);
                tracing::warn!(
                    service = %self.service, worker = self.name, error = %Chain(error),
                    "worker failed while it stopped"
                );
                return Ok(());
            }
            self.set_state(WorkerState::Restarting);
            tracing::warn!(
                service = %self.service, worker = self.name, attempt, ?wait, error = %Chain(error),
                "worker failed and will start again"
            );
            tokio::select! {
                () = shutdown.requested() => {
                    self.set_state(WorkerState::Stopped);
                    return Ok(());
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn run_once(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        Panic::catch(self.worker.run(shutdown))
            .await
            .unwrap_or_else(|panic| {
                let message = format!("worker {} panicked", self.name);
                let error = ServiceError::Internal(message.into()).with_source(panic);
                Err(WorkerError::Fatal(error))
            })
    }

    /// `None` where the failure is final.
    fn wait_before_restart(
        &self,
        restart: RetryPolicy,
        failed: FailedAttempt,
        failure: &WorkerError,
    ) -> Option<Duration> {
        let WorkerError::Transient(error) = failure else {
            return None;
        };
        // The worker knows better than the kind of its error whether that will pass, and may be run any number of times.
        let mut error = error.clone().with_retryable(true);
        // Nor does a peer that asks for a longer time than the policy waits end the service.
        if let Some(after) = error.retry_after() {
            error = error.with_retry_after(after.min(RetryPolicy::MAX_RETRY_AFTER));
        }
        match restart.decide(&error, failed.idempotent(true), fastrand::u64(..)) {
            RetryDecision::RetryAfter(wait) => Some(wait),
            RetryDecision::Stop(_) => None,
        }
    }

    pub(super) async fn graceful_shutdown(&self, timeout: Duration) {
        let stopped = Panic::catch(self.worker.graceful_shutdown(timeout)).await;
        let error = match stopped {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => ServiceError::Internal("stop a worker".into()).with_source(panic),
        };
        tracing::warn!(
            service = %self.service, worker = self.name, error = %Chain(&error),
            "worker did not stop cleanly"
        );
    }

    pub(super) async fn check(&self) -> Result<(), ServiceError> {
        match self.state() {
            WorkerState::Running => self.worker.health_check().await.map_err(|error| {
                let message = format!("worker {}: {}", self.name, error.public_message());
                error.with_message(message)
            }),
            WorkerState::Stopped => Ok(()),
            WorkerState::Restarting => Err(self.unavailable("waits to start again")),
            WorkerState::Failed => Err(self.unavailable("has failed")),
        }
    }

    fn unavailable(&self, how: &str) -> ServiceError {
        ServiceError::ServiceUnavailable(format!("worker {} {how}", self.name).into())
    }
}
