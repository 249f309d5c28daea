use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use nova_errors::{Chain, ServiceError};
use nova_models::{DependencyHealth, HealthState};
use tokio::time::Instant;

use crate::panic::Panic;

type CheckFn = dyn Fn() -> BoxFuture<'static, Result<(), ServiceError>> + Send + Sync;

/// A check, and what its failure makes of the service.
pub(super) struct Check {
    severity: HealthState,
    timeout: Option<Duration>,
    run: Box<CheckFn>,
    failing: AtomicBool,
}

impl Check {
    /// Without a time-out of its own it takes the one for all.
    pub(super) fn new<F, Fut>(severity: HealthState, timeout: Option<Duration>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        Self {
            severity,
            timeout,
            run: Box::new(move || Box::pin(check())),
            failing: AtomicBool::new(false),
        }
    }

    pub(super) async fn run(&self, name: &str, timeout: Duration) -> DependencyHealth {
        let timeout = self.timeout.unwrap_or(timeout);
        let started = Instant::now();
        // The check itself is called inside, where its panic is caught too.
        let check = Panic::catch(async { (self.run)().await });
        let outcome = match tokio::time::timeout(timeout, check).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(ServiceError::Internal("check".into()).with_source(panic)),
            Err(_) => Err(ServiceError::Timeout(
                format!("no answer within {timeout:?}").into(),
            )),
        };
        // Probes come every few seconds: the log has the changes only.
        let failed_before = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                if failed_before {
                    tracing::info!(dependency = name, "health check passes again");
                }
                DependencyHealth {
                    status: HealthState::Healthy,
                    latency_ms,
                    message: None,
                }
            }
            Err(error) => {
                if !failed_before {
                    tracing::warn!(dependency = name, error = %Chain(&error), "health check failed");
                }
                DependencyHealth {
                    status: self.severity,
                    latency_ms,
                    message: Some(error.public_message().to_owned()),
                }
            }
        }
    }
}
