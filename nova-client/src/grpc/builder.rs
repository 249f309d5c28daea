use std::sync::Arc;
use std::time::Duration;

use nova_errors::{Effect, RetryPolicy, ServiceError, Violation};
use nova_models::{Deadline, ServiceName};
use tokio::sync::Semaphore;

use super::endpoint::endpoint;
use super::grpc_channel::{GrpcChannel, Policies};
use super::methods::Methods;
use crate::bulkhead::BulkheadLayer;
use crate::circuit_breaker::{Circuit, CircuitBreaker};
use crate::retry::{Account, RetryBudget, RetryLayer};

/// Settings of a [`GrpcChannel`]; the defaults are for production.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), nova_errors::ServiceError> {
/// use std::time::Duration;
/// use nova_client::grpc::GrpcChannel;
///
/// let channel = GrpcChannel::builder("user-service")
///     .deadline(Duration::from_secs(2))
///     .concurrency_limit(256)
///     .idempotent_methods(["/nova.auth.v1.AuthService/VerifyToken", "/nova.user.v1.UserService/*"])
///     .connect("http://auth-service:8084")?;
///
/// let fault = GrpcChannel::builder("user-service").connect("auth-service").unwrap_err();
/// assert_eq!(fault.violations()[0].field, "url");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct GrpcChannelBuilder {
    source: Result<ServiceName, ServiceError>,
    deadline: Duration,
    attempt_timeout: Duration,
    retry: RetryPolicy,
    budget: Option<RetryBudget>,
    breaker: Option<CircuitBreaker>,
    concurrency_limit: Option<usize>,
    max_message_bytes: usize,
    idempotent: Methods,
    streaming: Methods,
    fault: Option<ServiceError>,
}

impl GrpcChannelBuilder {
    /// What a call may take in all unless set: 10 s.
    pub const DEADLINE: Duration = Duration::from_secs(10);
    /// The longest message unless set: 4 MiB, as in generated clients.
    pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
    /// The frame of a message: a flag and its length.
    const FRAME_BYTES: usize = 5;

    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.parse(),
            deadline: Self::DEADLINE,
            attempt_timeout: RetryLayer::ATTEMPT_TIMEOUT,
            retry: RetryPolicy::standard(),
            budget: Some(RetryBudget::standard()),
            breaker: Some(CircuitBreaker::standard()),
            concurrency_limit: None,
            max_message_bytes: Self::MAX_MESSAGE_BYTES,
            idempotent: Methods::default(),
            streaming: Methods::default(),
            fault: None,
        }
    }

    /// Sets what a call may take in all, its retries included: up to 24 hours, 10 s unless set. An inherited deadline that is earlier
    /// holds, and so does one that the call was given.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets what one attempt at an idempotent call may take: 2 s unless set. A call that cannot be retried gets all that is left.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets the retries: [`RetryPolicy::standard`] unless set.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how much of the calls may be retried: [`RetryBudget::standard`] unless set, everything with `None`.
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.budget = budget.into();
        self
    }

    /// Sets when a server that fails is called no more: [`CircuitBreaker::standard`] unless set, never with `None`.
    pub fn circuit_breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.breaker = breaker.into();
        self
    }

    /// Sets how many attempts may be in flight, 1 to 65 536; there is no limit unless set. Streams don't count.
    pub fn concurrency_limit(mut self, attempts: usize) -> Self {
        self.concurrency_limit = Some(attempts);
        self
    }

    /// Sets the longest message that is sent or received, as it is on the wire: 4 MiB unless set. Generated clients have a limit
    /// of their own besides, for what they receive.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Adds methods of which doing it again has the effect of doing it once: `/package.Service/Method`, or `/package.Service/*`.
    pub fn idempotent_methods<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        for path in paths {
            let added = self.idempotent.add("idempotent_methods", path);
            self.note(added);
        }
        self
    }

    /// Adds methods that stream, in either direction: they pass by all policies. `/package.Service/Method`, or `/package.Service/*`.
    pub fn streaming_methods<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        for path in paths {
            let added = self.streaming.add("streaming_methods", path);
            self.note(added);
        }
        self
    }

    /// Makes a channel to the server at `url`: `http://host:port`, or `https` with the feature `grpc-tls`. It connects when it is called.
    ///
    /// # Errors
    ///
    /// `Validation` for a URL that is malformed, and for what [`build`](Self::build) refuses.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect(self, url: &str) -> Result<GrpcChannel, ServiceError> {
        self.build(endpoint(url)?.connect_lazy())
    }

    /// Makes a channel over another one: tonic's with settings of one's own, one with interceptors, or a fake.
    ///
    /// # Errors
    ///
    /// `Validation` for the first setting that is malformed or out of its range.
    pub fn build<S>(self, channel: S) -> Result<GrpcChannel<S>, ServiceError> {
        let invalid = |field: &str, message: &str| {
            let violation = Violation::new(field, message);
            Err(ServiceError::Validation(violation.into()).with_effect(Effect::None))
        };
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.deadline.is_zero() || self.deadline > Deadline::MAX {
            return invalid("deadline", "expected more than zero, and at most 24 hours");
        }
        if self.attempt_timeout.is_zero() {
            return invalid("attempt_timeout", "expected more than zero");
        }
        if self.max_message_bytes == 0 {
            return invalid("max_message_bytes", "expected more than zero");
        }
        self.retry.validate()?;
        self.budget.map_or(Ok(()), |budget| budget.validate())?;
        self.breaker.map_or(Ok(()), |breaker| breaker.validate())?;
        self.concurrency_limit
            .map_or(Ok(()), BulkheadLayer::validate)?;
        let account = Arc::new(Account::new(self.budget));
        let policies = Policies {
            source: self.source?,
            deadline: self.deadline,
            retry: RetryLayer::new(self.retry)
                .attempt_timeout(self.attempt_timeout.min(Deadline::MAX))
                .account(Arc::clone(&account)),
            account,
            circuit: self.breaker.map(|breaker| Arc::new(Circuit::new(breaker))),
            permits: self
                .concurrency_limit
                .map(|limit| Arc::new(Semaphore::new(limit))),
            idempotent: self.idempotent,
            streaming: self.streaming,
            max_body: self.max_message_bytes.saturating_add(Self::FRAME_BYTES),
        };
        Ok(GrpcChannel::new(channel, policies))
    }

    /// The first fault is the one to report.
    fn note(&mut self, outcome: Result<(), ServiceError>) {
        if let (None, Err(fault)) = (&self.fault, outcome) {
            self.fault = Some(fault);
        }
    }
}
