use std::sync::Arc;
use std::time::Duration;

use nova_errors::{Effect, Origin, ServiceError, Violation};
use nova_models::Deadline;
use tokio::time::Instant;

use super::line::Line;

/// Lets a bounded number of requests run at the same time, and a few more wait for a moment, without a framework: what [`LoadShedLayer`](super::LoadShedLayer) asks.
///
/// A service that takes more than it can do answers everybody too late. This one answers what it can, and refuses the rest at once, with the effect none, so that callers can go elsewhere.
///
/// - At most `limit` run. There is no right number for all: what the database pool and the processors can keep busy, not what memory can hold.
/// - At most [`queue`](Self::queue) wait, each for at most [`max_wait`](Self::max_wait): enough for a burst to pass, too short to build up a backlog.
/// - The newest goes first, and where the queue is full the oldest is refused. While there is no overload the queue is empty and the order is the same; in an overload those who are served have
///   waited hardly at all and have the time to use the answer, where first come, first served would make everybody wait as long as a wait may be.
/// - Who would have to wait and might be out of time by then is refused at once.
///
/// The counter `nova_requests_shed_total` has the labels `service` and `reason` (`queue_full`, `waited`, `deadline`). The log has a warning at most every [`WARN_EVERY`](Self::WARN_EVERY), and the single
/// refusals at level debug only, since an overload is no time for more work. Clones share their state.
///
/// ```
/// use std::time::Duration;
/// use nova_service::LoadShed;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let shed = LoadShed::new("content-service", 1)?.queue(0);
/// let permit = shed.admit(None).await?;
/// assert!(shed.admit(None).await.is_err());
/// drop(permit);
/// assert!(shed.admit(None).await.is_ok());
/// # Ok::<(), nova_errors::ServiceError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct LoadShed {
    service: Arc<str>,
    limit: usize,
    queue: usize,
    max_wait: Duration,
    line: Arc<Line>,
}

impl LoadShed {
    /// How many may wait by default: 64.
    pub const QUEUE: usize = 64;

    /// How long each may wait by default: 100 ms.
    pub const MAX_WAIT: Duration = Duration::from_millis(100);

    /// After which time a caller that was refused may ask the same instance again: 1 s. The callers' retry policies spread it.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// How often the log says that requests are refused: every 10 s at most.
    pub const WARN_EVERY: Duration = Duration::from_secs(10);

    /// Lets `limit` requests of `service` run at the same time.
    ///
    /// # Errors
    ///
    /// `Validation` for a limit of zero.
    pub fn new(service: impl Into<String>, limit: usize) -> Result<Self, ServiceError> {
        if limit == 0 {
            let violation = Violation::new("limit", "expected at least 1");
            return Err(ServiceError::Validation(violation.into()));
        }
        let service: String = service.into();
        Ok(Self {
            service: service.into(),
            limit,
            queue: Self::QUEUE,
            max_wait: Self::MAX_WAIT,
            line: Arc::default(),
        })
    }

    /// Sets how many may wait. [`QUEUE`](Self::QUEUE) by default; with 0 nobody waits.
    #[must_use]
    pub fn queue(mut self, length: usize) -> Self {
        self.queue = length;
        self
    }

    /// Sets how long each may wait. [`MAX_WAIT`](Self::MAX_WAIT) by default.
    #[must_use]
    pub fn max_wait(mut self, time: Duration) -> Self {
        self.max_wait = time;
        self
    }

    /// Waits for a place, which the permit holds until it is dropped.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` with the effect none, to be [tried again](Self::RETRY_AFTER).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives its place to the next.
    pub async fn admit(&self, deadline: Option<Deadline>) -> Result<Permit, ServiceError> {
        if self.line.enter(self.limit) {
            return Ok(self.permit());
        }
        let now = Instant::now().into_std();
        if deadline.is_some_and(|deadline| deadline.left(now) <= self.max_wait) {
            return Err(self.refuse("deadline"));
        }
        let Some(mut waiting) = self.line.wait(self.limit, self.queue) else {
            return Err(self.refuse("queue_full"));
        };
        match tokio::time::timeout(self.max_wait, waiting.turn()).await {
            Ok(true) => Ok(self.permit()),
            Ok(false) => Err(self.refuse("queue_full")),
            Err(_) => Err(self.refuse("waited")),
        }
    }

    /// How many run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.line.running()
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.waiting()
    }

    fn permit(&self) -> Permit {
        Permit {
            line: self.line.clone(),
        }
    }

    fn refuse(&self, reason: &'static str) -> ServiceError {
        metrics::counter!(
            "nova_requests_shed_total",
            "service" => self.service.clone(),
            "reason" => reason,
        )
        .increment(1);
        if self.line.is_time_to_warn(Self::WARN_EVERY) {
            tracing::warn!(service = %self.service, limit = self.limit, reason, "too much to do: refusing requests");
        }
        ServiceError::ServiceUnavailable("too much to do".into())
            .with_reason("overloaded")
            .with_retry_after(Self::RETRY_AFTER)
            .with_effect(Effect::None)
    }
}

/// Whether a service of this process has refused a request as one too many.
pub(crate) fn is_shed(error: &ServiceError) -> bool {
    error.origin() == Origin::Local && error.code() == "service_unavailable.overloaded"
}

/// A place among the requests that run, given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back at once"]
pub struct Permit {
    line: Arc<Line>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.line.leave();
    }
}
