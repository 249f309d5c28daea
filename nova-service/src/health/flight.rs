use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use nova_models::{DependencyHealth, HealthState};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Health;
use super::check::Check;

/// One run of all checks, for everybody who asks meanwhile and shortly after.
#[derive(Clone)]
pub(super) struct Flight {
    outcome: Shared<BoxFuture<'static, Landed>>,
}

#[derive(Clone)]
pub(super) struct Landed {
    at: Instant,
    pub(super) timestamp: DateTime<Utc>,
    /// By the name of the dependency.
    pub(super) found: Arc<BTreeMap<String, DependencyHealth>>,
}

impl Flight {
    pub(super) fn start(checks: &BTreeMap<String, Arc<Check>>, timeout: Duration) -> Self {
        let checks: Vec<_> = checks
            .iter()
            .map(|(name, check)| (name.clone(), check.clone()))
            .collect();
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let checks = checks.into_iter().map(|(name, check)| async move {
                let found = check.run(&name, timeout).await;
                (name, found)
            });
            Landed::now(join_all(checks).await.into_iter().collect())
        }));
        let outcome = async move { task.await.unwrap_or_else(|_| Landed::cut()) };
        Self {
            outcome: outcome.boxed().shared(),
        }
    }

    /// Whether it is under way, or landed less than [`Health::CACHE`] ago.
    pub(super) fn is_current(&self) -> bool {
        self.outcome
            .peek()
            .is_none_or(|landed| landed.at.elapsed() < Health::CACHE)
    }

    pub(super) async fn landed(self) -> Landed {
        self.outcome.await
    }
}

impl Landed {
    fn now(found: BTreeMap<String, DependencyHealth>) -> Self {
        Self {
            at: Instant::now(),
            timestamp: Utc::now(),
            found: Arc::new(found),
        }
    }

    /// Each check catches its panics, so that only the end of the runtime cuts the task.
    fn cut() -> Self {
        let checks = DependencyHealth {
            status: HealthState::Unhealthy,
            latency_ms: 0,
            message: Some("the checks were cut".to_owned()),
        };
        Self::now(BTreeMap::from([("checks".to_owned(), checks)]))
    }
}
