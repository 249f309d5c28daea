mod check;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::Utc;
use futures::future::join_all;
use nova_errors::ServiceError;
use nova_models::{DependencyHealth, HealthState, HealthStatus};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Shutdown;
use check::Check;

/// The health routes of a service, with a body of [`HealthStatus`].
///
/// - `GET /health/live`: 200 as long as the process answers. It depends on nothing else, so that an outage elsewhere restarts nobody.
/// - `GET /health/ready`: checks each dependency, all at the same time and each with its own time-out. What the service
///   [owns](Self::owned) makes it `unhealthy` with 503 when it fails; a [peer](Self::peer) that is away makes it `degraded` with 200, since taking the
///   service out of rotation would help nobody. The outcome holds for [`CACHE`](Self::CACHE), and requests that come while the checks run wait for
///   the same ones: probes cannot load the dependencies.
///
/// ```
/// use nova_models::HealthState;
/// use nova_service::Health;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let health = Health::new("content-service", env!("CARGO_PKG_VERSION"))
///     .owned("database", || async { Ok(()) })
///     .peer("auth-service", || async {
///         Err(nova_errors::ServiceError::ServiceUnavailable("connection refused".into()))
///     });
/// let status = health.check().await;
/// assert_eq!(status.status, HealthState::Degraded);
///
/// let app: axum::Router = axum::Router::new().merge(health.router());
/// # });
/// ```
pub struct Health {
    service: String,
    version: String,
    checks: BTreeMap<String, Check>,
    timeout: Duration,
    shutdown: Option<Shutdown>,
    cached: Mutex<Option<(Instant, HealthStatus)>>,
}

impl Health {
    /// How long the outcome of the checks holds: 1 s.
    pub const CACHE: Duration = Duration::from_secs(1);

    /// The health of a service without dependencies.
    pub fn new(service: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            version: version.into(),
            checks: BTreeMap::new(),
            timeout: Duration::from_secs(1),
            shutdown: None,
            cached: Mutex::new(None),
        }
    }

    /// Adds a check of what the service owns and cannot work without, such as its database. A check of the same name is replaced.
    ///
    /// The public message of the error shows in the body, its causes do not.
    #[must_use]
    pub fn owned<F, Fut>(mut self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let check = Check::new(HealthState::Unhealthy, check);
        self.checks.insert(name.into(), check);
        self
    }

    /// Adds a check of what the service can do without for a while: a peer, the broker. A check of the same name is replaced.
    #[must_use]
    pub fn peer<F, Fut>(mut self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let check = Check::new(HealthState::Degraded, check);
        self.checks.insert(name.into(), check);
        self
    }

    /// Sets how long each check may take; one that takes longer has failed. 1 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the service not ready from the moment that `shutdown` is asked for, so that load balancers leave while it drains.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = Some(shutdown);
        self
    }

    /// How the service is now, or was less than [`CACHE`](Self::CACHE) ago.
    ///
    /// # Cancel safety
    ///
    /// Whoever waits for the same checks starts them anew.
    pub async fn check(&self) -> HealthStatus {
        if self.shutdown.as_ref().is_some_and(Shutdown::is_requested) {
            return self.shutting_down();
        }
        // Held while the checks run, so that there is one flight of them.
        let mut cached = self.cached.lock().await;
        if let Some((at, status)) = cached.as_ref()
            && at.elapsed() < Self::CACHE
        {
            return status.clone();
        }
        let status = self.run_checks().await;
        *cached = Some((Instant::now(), status.clone()));
        status
    }

    async fn run_checks(&self) -> HealthStatus {
        let checks = self.checks.iter().map(|(name, check)| async {
            let found = check.run(name, self.timeout).await;
            (name.clone(), found)
        });
        self.status(join_all(checks).await.into_iter().collect())
    }

    fn shutting_down(&self) -> HealthStatus {
        let shutdown = DependencyHealth {
            status: HealthState::Unhealthy,
            latency_ms: 0,
            message: Some("shutting down".to_owned()),
        };
        self.status(BTreeMap::from([("shutdown".to_owned(), shutdown)]))
    }

    fn status(&self, dependencies: BTreeMap<String, DependencyHealth>) -> HealthStatus {
        HealthStatus {
            service_name: self.service.clone(),
            status: dependencies
                .values()
                .map(|dependency| dependency.status)
                .max()
                .unwrap_or(HealthState::Healthy),
            version: self.version.clone(),
            timestamp: Utc::now(),
            dependencies,
        }
    }

    /// The routes, to be merged into the service's own.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/health/live", get(live))
            .route("/health/ready", get(ready))
            .with_state(Arc::new(self))
    }
}

async fn live(State(health): State<Arc<Health>>) -> Response {
    answer(StatusCode::OK, health.status(BTreeMap::new()))
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let found = health.check().await;
    let status = match found.status {
        HealthState::Healthy | HealthState::Degraded => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, found)
}

fn answer(status: StatusCode, health: HealthStatus) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, no_store, Json(health)).into_response()
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("service", &self.service)
            .field("checks", &self.checks.keys())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
