use std::sync::Arc;
use std::time::Duration;

use nova_errors::{RetryPolicy, ServiceError};
use nova_models::ServiceName;
use tokio::sync::Semaphore;

use super::endpoint::endpoint;
use super::grpc_channel::{GrpcChannel, Policies};
use super::methods::Methods;
use crate::circuit_breaker::{Circuit, CircuitBreaker};
use crate::retry::{Account, RetryBudget};
use crate::settings::{Settings, invalid};

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
    settings: Settings,
    max_message_bytes: usize,
    idempotent: Methods,
    streaming: Methods,
    fault: Option<ServiceError>,
}

impl GrpcChannelBuilder {
    /// What a call may take in all unless set: 10 s.
    pub const DEADLINE: Duration = Settings::DEADLINE;
    /// The longest message unless set: 4 MiB, as in generated clients.
    pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
    /// The frame of a message: a flag and its length.
    const FRAME_BYTES: usize = 5;

    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.parse(),
            settings: Settings::default(),
            max_message_bytes: Self::MAX_MESSAGE_BYTES,
            idempotent: Methods::default(),
            streaming: Methods::default(),
            fault: None,
        }
    }

    /// Sets what a call may take in all, its retries included: up to 24 hours, 10 s unless set. An inherited deadline that is earlier
    /// holds, and so does one that the call was given.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Sets what one attempt at an idempotent call may take: 2 s unless set. A call that cannot be retried gets all that is left.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = timeout;
        self
    }

    /// Sets the retries: [`RetryPolicy::standard`] unless set.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Sets how much of the calls may be retried: [`RetryBudget::standard`] unless set, everything with `None`.
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.settings.budget = budget.into();
        self
    }

    /// Sets when a server that fails is called no more: [`CircuitBreaker::standard`] unless set, never with `None`.
    pub fn circuit_breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.settings.breaker = breaker.into();
        self
    }

    /// Sets how many attempts may be in flight, 1 to 65 536; there is no limit unless set. Streams don't count.
    pub fn concurrency_limit(mut self, attempts: usize) -> Self {
        self.settings.concurrency_limit = Some(attempts);
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
    /// An interceptor of tonic that refuses a request down there cannot be told from the server: its status counts against the circuit, and
    /// its effect as unknown. One that may refuse belongs around this channel: `HealthClient::with_interceptor(channel, …)`.
    ///
    /// # Errors
    ///
    /// `Validation` for the first setting that is malformed or out of its range.
    pub fn build<S>(self, channel: S) -> Result<GrpcChannel<S>, ServiceError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.max_message_bytes == 0 {
            return Err(invalid("max_message_bytes", "expected more than zero"));
        }
        let settings = self.settings;
        settings.validate()?;
        let account = Arc::new(Account::new(settings.budget));
        let source = self.source?;
        let circuit = |breaker| Circuit::new(breaker).named(format!("a gRPC channel of {source}"));
        let policies = Policies {
            deadline: settings.deadline,
            retry: settings.retry_layer().account(Arc::clone(&account)),
            account,
            circuit: settings.breaker.map(|it| Arc::new(circuit(it))),
            permits: settings
                .concurrency_limit
                .map(|limit| Arc::new(Semaphore::new(limit))),
            idempotent: self.idempotent,
            streaming: self.streaming,
            max_body: self.max_message_bytes.saturating_add(Self::FRAME_BYTES),
            source,
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
