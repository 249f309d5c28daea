mod check;
mod flight;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::Utc;
use nova_errors::ServiceError;
use nova_models::{DependencyHealth, HealthState, HealthStatus};

use crate::Shutdown;
use check::Check;
use flight::Flight;

/// The health routes of a service, with a body of [`HealthStatus`].
///
/// - `GET /health/live`: 200 as long as the process answers. It depends on nothing else, so that an outage elsewhere restarts nobody.
/// - `GET /health/ready`: checks each dependency, all at the same time and each with its own time-out. What the service
///   [owns](Self::owned) makes it `unhealthy` with 503 when it fails; a [peer](Self::peer) that is away makes it `degraded` with 200, since taking the
///   service out of rotation would help nobody. The outcome holds for [`CACHE`](Self::CACHE), and requests that come while the checks run wait for
///   the same ones, also where the first to ask has left: probes cannot load the dependencies.
///
/// Clones share the outcome, until one of them is changed.
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
#[derive(Clone)]
pub struct Health {
    service: Arc<str>,
    version: Arc<str>,
    checks: BTreeMap<String, Arc<Check>>,
    timeout: Duration,
    shutdown: Option<Shutdown>,
    latest: Arc<Mutex<Option<Flight>>>,
}

impl Health {
    /// How long the outcome of the checks holds: 1 s.
    pub const CACHE: Duration = Duration::from_secs(1);

    /// The health of a service without dependencies.
    pub fn new(service: impl Into<String>, version: impl Into<String>) -> Self {
        let (service, version): (String, String) = (service.into(), version.into());
        Self {
            service: service.into(),
            version: version.into(),
            checks: BTreeMap::new(),
            timeout: Duration::from_secs(1),
            shutdown: None,
            latest: Arc::default(),
        }
    }

    /// Adds a check of what the service owns and cannot work without, such as its database. A check of the same name is replaced.
    ///
    /// The public message of the error shows in the body, its causes do not. All checks share a task: one that blocks its thread holds up the others.
    #[must_use]
    pub fn owned<F, Fut>(self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        self.with(name.into(), Check::new(HealthState::Unhealthy, None, check))
    }

    /// As [`owned`](Self::owned), with a time-out of its own.
    #[must_use]
    pub fn owned_within<F, Fut>(self, name: impl Into<String>, timeout: Duration, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let check = Check::new(HealthState::Unhealthy, Some(timeout), check);
        self.with(name.into(), check)
    }

    /// Adds a check of what the service can do without for a while: a peer, the broker. A check of the same name is replaced.
    #[must_use]
    pub fn peer<F, Fut>(self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        self.with(name.into(), Check::new(HealthState::Degraded, None, check))
    }

    /// As [`peer`](Self::peer), with a time-out of its own.
    #[must_use]
    pub fn peer_within<F, Fut>(self, name: impl Into<String>, timeout: Duration, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let check = Check::new(HealthState::Degraded, Some(timeout), check);
        self.with(name.into(), check)
    }

    fn with(mut self, name: String, check: Check) -> Self {
        self.checks.insert(name, Arc::new(check));
        self.latest = Arc::default();
        self
    }

    /// Sets how long each check may take that has no time-out of its own; one that takes longer has failed. 1 s by default. The one who probes should wait longer than
    /// the longest.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.latest = Arc::default();
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
    /// The checks run in a task of their own, which ends with its last check and is cut when the last clone is dropped: they see nothing of the caller's
    /// [`CallContext`](nova_models::CallContext), deadline or span.
    ///
    /// # Cancel safety
    ///
    /// The checks go on, for whoever else waits for them.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub async fn check(&self) -> HealthStatus {
        if self.is_stopping() {
            return self.shutting_down();
        }
        let flight = {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            match latest.as_ref().filter(|flight| flight.is_current()) {
                Some(flight) => flight.clone(),
                None => {
                    let flight = Flight::start(&self.checks, self.timeout);
                    latest.insert(flight).clone()
                }
            }
        };
        let landed = flight.landed().await;
        // The service may have been asked to stop meanwhile.
        if self.is_stopping() {
            return self.shutting_down();
        }
        HealthStatus {
            timestamp: landed.timestamp,
            ..self.status((*landed.found).clone())
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.shutdown.as_ref().is_some_and(Shutdown::is_requested)
    }

    /// Waits until the service is asked to stop; for ever where it was given no shutdown.
    #[cfg(feature = "grpc")]
    pub(crate) async fn stopping(&self) {
        match &self.shutdown {
            Some(shutdown) => shutdown.requested().await,
            None => std::future::pending().await,
        }
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
            service_name: self.service.to_string(),
            status: dependencies
                .values()
                .map(|dependency| dependency.status)
                .max()
                .unwrap_or(HealthState::Healthy),
            version: self.version.to_string(),
            timestamp: Utc::now(),
            dependencies,
        }
    }

    /// The answer of `/health/live`, with its HTTP status.
    pub(crate) fn live(&self) -> (u16, HealthStatus) {
        (200, self.status(BTreeMap::new()))
    }

    /// The answer of `/health/ready`, with its HTTP status.
    pub(crate) async fn ready(&self) -> (u16, HealthStatus) {
        let found = self.check().await;
        let status = match found.status {
            HealthState::Healthy | HealthState::Degraded => 200,
            _ => 503,
        };
        (status, found)
    }

    /// The routes, to be merged into the service's own. Those for actix-web are `actix::HealthRoutes`.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/health/live", get(live))
            .route("/health/ready", get(ready))
            .with_state(Arc::new(self))
    }
}

async fn live(State(health): State<Arc<Health>>) -> Response {
    answer(health.live())
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    answer(health.ready().await)
}

fn answer((status, health): (u16, HealthStatus)) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
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
