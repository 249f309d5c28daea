mod builder;
mod supervised;
mod worker_state;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use nova_errors::{RetryPolicy, ServiceError};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::{BackgroundWorker, Shutdown, ShutdownTrigger};

pub use builder::SupervisorBuilder;
use supervised::Supervised;
pub use worker_state::WorkerState;

/// Runs the workers of a service: starts them again when they fail for a while, and stops them
/// all, in order, when one fails for good or the service is asked to stop.
///
/// - A worker that fails with [`Transient`](crate::WorkerError::Transient) is started again by the restart policy. The attempts count anew once it ran for
///   [`stable_after`](SupervisorBuilder::stable_after). When they are spent, the failure is fatal.
/// - [`Fatal`](crate::WorkerError::Fatal) stops the service with that error. So does a panic: it is a bug, nobody knows what it left behind in the
///   worker, and a process that starts anew is in a state that somebody has thought about.
/// - The stop goes through the workers in the reverse order of their start: what was started last depends on what was started before. A
///   worker that takes longer than its share of the deadline holds up nobody: the next is asked to stop while it goes on. What still runs at the
///   deadline is cut.
///
/// Each worker's state is the gauge `nova_worker_state` (see [`WorkerState`]), with the labels `service` and `worker`.
///
/// ```
/// use std::time::Duration;
/// use nova_service::{Shutdown, Supervisor, worker_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut supervisor = Supervisor::builder("content-service")
///     .shutdown_deadline(Duration::from_secs(10))
///     .build()?;
/// supervisor.spawn(worker_fn("relay", |shutdown: Shutdown| async move {
///     shutdown.requested().await;
///     Ok(())
/// }));
///
/// let (trigger, shutdown) = Shutdown::new();
/// trigger.shutdown();
/// supervisor.run(shutdown).await?;
/// # Ok::<(), nova_errors::ServiceError>(())
/// # }).unwrap();
/// ```
pub struct Supervisor {
    service: Arc<str>,
    restart: RetryPolicy,
    stable_after: Duration,
    shutdown_deadline: Duration,
    running: Vec<Running>,
    all: Roster,
    failed: mpsc::Sender<ServiceError>,
    failures: mpsc::Receiver<ServiceError>,
}

/// A worker's task, until it is joined.
struct Running {
    worker: Arc<Supervised>,
    trigger: ShutdownTrigger,
    task: AbortOnDropHandle<Result<(), ServiceError>>,
    outcome: Option<Result<(), ServiceError>>,
}

/// Every worker ever spawned, for the health check.
type Roster = Arc<Mutex<Vec<Arc<Supervised>>>>;

impl Supervisor {
    /// Settings for a supervisor of `service`'s workers.
    pub fn builder(service: impl Into<String>) -> SupervisorBuilder {
        SupervisorBuilder::new(service.into())
    }

    /// Starts a worker now. It stops with [`run`](Self::run), with [`shutdown`](Self::shutdown), or
    /// is cut when the supervisor is dropped.
    ///
    /// A name that is taken gets a number: `relay`, `relay-2`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub fn spawn(&mut self, worker: impl BackgroundWorker) {
        let worker = Arc::new(worker);
        let (trigger, shutdown) = Shutdown::new();
        let worker = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            let name = unique_name(&all, worker.name());
            let worker = Arc::new(Supervised::new(self.service.clone(), name, worker));
            all.push(worker.clone());
            worker
        };
        let (restart, stable_after) = (self.restart, self.stable_after);
        let failed = self.failed.clone();
        let task = tokio::spawn({
            let worker = worker.clone();
            async move {
                let outcome = worker.keep_running(restart, stable_after, shutdown).await;
                if let Err(error) = &outcome {
                    // Full: an earlier failure is stopping the service already.
                    let _ = failed.try_send(error.clone());
                }
                outcome
            }
        });
        self.running.push(Running {
            worker,
            trigger,
            task: AbortOnDropHandle::new(task),
            outcome: None,
        });
    }

    /// Waits until `shutdown` is asked for or a worker fails for good, then stops all workers.
    ///
    /// # Errors
    ///
    /// The failure that stopped the service, else what [`shutdown`](Self::shutdown) says.
    ///
    /// # Cancel safety
    ///
    /// After dropping the future the workers go on; call it again, or [`shutdown`](Self::shutdown).
    pub async fn run(&mut self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let failure = tokio::select! {
            biased;
            Some(error) = self.failures.recv() => Some(error),
            () = shutdown.requested() => None,
        };
        let stopped = self.shutdown().await;
        failure.map_or(stopped, Err)
    }

    /// Stops all workers in the reverse order of their start, within the deadline. A second call has nothing to do and returns `Ok`.
    ///
    /// # Errors
    ///
    /// `Timeout` where workers had to be cut, naming them; else the first error with which one stopped.
    ///
    /// # Cancel safety
    ///
    /// Call it again: it goes on where it was, with a new deadline.
    pub async fn shutdown(&mut self) -> Result<(), ServiceError> {
        let end = Instant::now() + self.shutdown_deadline;
        let mut left = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        for running in self.running.iter_mut().rev() {
            let share = end.saturating_duration_since(Instant::now()) / left.max(1);
            // In vain only where the share is too short; it is joined or cut below.
            let _ = tokio::time::timeout(share, running.stop(share)).await;
            left = left.saturating_sub(1);
        }
        let all = join_all(self.running.iter_mut().map(Running::join));
        // What is not joined in time is found by its missing outcome.
        let _ = tokio::time::timeout_at(end, all).await;

        let (mut cut, mut outcome) = (Vec::new(), Ok(()));
        for mut running in self.running.drain(..).rev() {
            match running.outcome.take() {
                Some(stopped) => outcome = outcome.and(stopped),
                None => {
                    running.task.abort();
                    running.worker.set_state(WorkerState::Failed);
                    cut.push(running.worker.name().to_owned());
                }
            }
        }
        if cut.is_empty() {
            return outcome;
        }
        let message = format!(
            "workers did not stop within {:?}: {}",
            self.shutdown_deadline,
            cut.join(", ")
        );
        tracing::error!(service = %self.service, workers = ?cut, "cut workers that did not stop in time");
        Err(ServiceError::Timeout(message.into()))
    }

    /// A check that fails while a worker waits for its restart or says that it is unwell, for
    /// [`Health::owned`](crate::Health::owned). It also sees workers that are spawned later, and fails when the supervisor is gone.
    pub fn health(
        &self,
    ) -> impl Fn() -> BoxFuture<'static, Result<(), ServiceError>> + Send + Sync + 'static {
        // Weak, as the server that answers the check may be a worker itself: they would keep each other alive for ever.
        let all = Arc::downgrade(&self.all);
        move || {
            let workers = all
                .upgrade()
                .map(|all| all.lock().unwrap_or_else(PoisonError::into_inner).clone());
            Box::pin(async move {
                let Some(workers) = workers else {
                    return Err(ServiceError::ServiceUnavailable(
                        "the workers have stopped".into(),
                    ));
                };
                let checks = join_all(workers.iter().map(|worker| worker.check())).await;
                checks.into_iter().collect()
            })
        }
    }
}

impl Running {
    /// Asks the worker to stop and waits until it has.
    async fn stop(&mut self, share: Duration) {
        if self.task.is_finished() {
            return self.join().await;
        }
        self.trigger.shutdown();
        let worker = self.worker.clone();
        let ((), ()) = tokio::join!(worker.graceful_shutdown(share), self.join());
    }

    async fn join(&mut self) {
        if self.outcome.is_none() {
            let joined = (&mut self.task).await;
            // The task catches the worker's panics, so this one is the supervisor's own.
            self.outcome = Some(joined.unwrap_or_else(|error| {
                Err(ServiceError::Internal("supervise a worker".into()).with_source(error))
            }));
        }
    }
}

fn unique_name(all: &[Arc<Supervised>], name: &str) -> String {
    let taken = |name: &str| all.iter().any(|worker| worker.name() == name);
    if !taken(name) {
        return name.to_owned();
    }
    // One more than the workers there are is free at the latest.
    (2..=all.len() + 1)
        .map(|number| format!("{name}-{number}"))
        .find(|name| !taken(name))
        .unwrap_or_else(|| name.to_owned())
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let workers: Vec<_> = all
            .iter()
            .map(|worker| (worker.name(), worker.state()))
            .collect();
        f.debug_struct("Supervisor")
            .field("service", &self.service)
            .field("workers", &workers)
            .finish_non_exhaustive()
    }
}
