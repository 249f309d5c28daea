use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use nova_errors::{Effect, RetryPolicy, ServiceError};
use nova_models::ServiceName;
use tower_service::Service;

use super::{Inner, ServiceClient};
use crate::balance::BalanceLayer;
use crate::base_url::BaseUrl;
use crate::circuit_breaker::CircuitBreaker;
use crate::endpoints::Endpoints;
use crate::exchange::fixed_headers;
use crate::interceptor::{Interceptors, OutboundRequest};
use crate::retry::RetryBudget;
use crate::settings::{Settings, invalid};
use crate::targets::Targets;
use crate::transport::{HttpTransport, HttpTransportBuilder, Transport};
use crate::wall_clock::WallClock;

/// Settings of a [`ServiceClient`].
///
/// ```
/// use std::time::Duration;
/// use nova_client::ServiceClient;
/// use nova_errors::RetryPolicy;
///
/// let client = ServiceClient::builder("user-service")
///     .endpoint("streaming-service", "http://streaming:8089")
///     .base_url("http://mesh:8080")
///     .deadline(Duration::from_secs(2))
///     .retry(RetryPolicy::standard().max_attempts(4))
///     .build()?;
///
/// let fault = ServiceClient::builder("user-service").base_url("localhost").build().unwrap_err();
/// assert_eq!(fault.violations()[0].field, "base_url");
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
pub struct ServiceClientBuilder {
    source: Result<ServiceName, ServiceError>,
    endpoints: Endpoints,
    settings: Settings,
    interceptors: Interceptors,
    http: HttpTransportBuilder,
    transport: Option<Transport>,
    clock: WallClock,
    fault: Option<ServiceError>,
}

impl ServiceClientBuilder {
    /// What a call may take in all unless set: 10 s.
    pub const DEADLINE: Duration = Settings::DEADLINE;

    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.parse(),
            endpoints: Endpoints::default(),
            settings: Settings::default(),
            interceptors: Interceptors::default(),
            http: HttpTransport::builder(),
            transport: None,
            clock: WallClock::default(),
            fault: None,
        }
    }

    /// Sets the URL of one target: `http` or `https`, perhaps with a prefix of the path, without credentials.
    #[must_use]
    pub fn endpoint(self, target: &str, url: &str) -> Self {
        self.endpoints(target, [url])
    }

    /// Sets the URLs of one target that is reached at several, 1 to 64, instead of those set before.
    ///
    /// Each has a circuit breaker of its own. Attempts go to those whose circuit lets them through, to the one of two that
    /// has fewer in flight, and a retry goes to another than the attempt before: see [`balance`](crate::balance).
    ///
    /// ```
    /// use nova_client::ServiceClient;
    ///
    /// let client = ServiceClient::builder("user-service")
    ///     .endpoints("feed-service", ["http://10.0.0.1:8084", "http://10.0.0.2:8084"])
    ///     .build()?;
    /// # Ok::<(), nova_errors::ServiceError>(())
    /// ```
    #[must_use]
    pub fn endpoints<U: AsRef<str>>(
        mut self,
        target: &str,
        urls: impl IntoIterator<Item = U>,
    ) -> Self {
        let urls = urls
            .into_iter()
            .take(BalanceLayer::<BaseUrl>::MAX_ENDPOINTS + 1)
            .map(|url| BaseUrl::parse("endpoint", url.as_ref()))
            .collect::<Result<_, _>>();
        let outcome = target
            .parse()
            .and_then(|target| self.endpoints.insert(target, urls?));
        if let Err(fault) = outcome {
            self.note(fault);
        }
        self
    }

    /// Sets the URL of every target that has none of its own.
    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        match BaseUrl::parse("base_url", url) {
            Ok(url) => self.endpoints.set_fallback(url),
            Err(fault) => self.note(fault),
        }
        self
    }

    /// Sets what a call may take in all, its retries included: up to 24 hours, 10 s unless set. An inherited deadline that is earlier holds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Sets what one attempt at an idempotent call may take: 2 s unless set. A call that cannot be retried gets all that is left.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = timeout;
        self
    }

    /// Sets what a connect may take: 1 s unless set. Without use where there is a [`transport`](Self::transport).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http = self.http.connect_timeout(timeout);
        self
    }

    /// Sets the longest body of an answer: 16 MiB unless set. Without use where there is a [`transport`](Self::transport).
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.http = self.http.max_response_bytes(bytes);
        self
    }

    /// Sets the retries: [`RetryPolicy::standard`] unless set.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Sets how much of the calls to a target may be retried: [`RetryBudget::standard`] unless set, everything with `None`.
    #[must_use]
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.settings.budget = budget.into();
        self
    }

    /// Sets when an endpoint that fails is called no more: [`CircuitBreaker::standard`] unless set, never with `None`.
    #[must_use]
    pub fn circuit_breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.settings.breaker = breaker.into();
        self
    }

    /// Sets how many attempts may be in flight at a target, 1 to 65 536; there is no limit unless set.
    ///
    /// One more waits for its turn, until the call's deadline at most. A call in its backoff counts as none.
    #[must_use]
    pub fn concurrency_limit(mut self, attempts: usize) -> Self {
        self.settings.concurrency_limit = Some(attempts);
        self
    }

    /// Shows every request to `interceptor` right before it is sent, each attempt anew, after the interceptors that were added before.
    ///
    /// It may set headers, such as a trace or a signature of the body, or refuse the request with an error: then nothing is sent,
    /// the error is the call's, with [`InterceptorRefusal`](crate::InterceptorRefusal) as its cause, and it is tried again where
    /// its kind may pass. It runs on the caller's task, so it must not block.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use http::header::USER_AGENT;
    /// use nova_client::ServiceClient;
    ///
    /// let client = ServiceClient::builder("user-service")
    ///     .base_url("http://mesh:8080")
    ///     .interceptor(|request| request.set_header(USER_AGENT, HeaderValue::from_static("user-service/7")))
    ///     .build()?;
    /// # Ok::<(), nova_errors::ServiceError>(())
    /// ```
    #[must_use]
    pub fn interceptor(
        mut self,
        interceptor: impl Fn(&mut OutboundRequest<'_>) -> Result<(), ServiceError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// Sends by another transport than HTTP over reqwest: any `tower` service, a fake one for tests included. It must not
    /// follow redirects or send twice, and must bound the bodies it reads.
    #[must_use]
    pub fn transport<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Bytes>, Response = Response<Bytes>, Error = ServiceError>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        self.transport = Some(Transport::other(service));
        self
    }

    /// Sets the time of day, which stamps envelopes and is what a date in `Retry-After` is compared with: the system's unless set.
    #[must_use]
    pub fn wall_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = WallClock::new(now);
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    ///
    /// `Validation` for the first setting that is malformed, out of its range or missing; `Internal` where TLS cannot be set up.
    pub fn build(self) -> Result<ServiceClient, ServiceError> {
        let source = self
            .source
            .map_err(|error| error.with_effect(Effect::None))?;
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.endpoints.is_empty() {
            let expected = "expected a URL for every target, or an endpoint";
            return Err(invalid("base_url", expected));
        }
        self.settings.validate()?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => Transport::Http(self.http.build()?),
        };
        let headers = fixed_headers(&source)?;
        let inner = Inner {
            source,
            headers,
            deadline: self.settings.deadline,
            retry: self.settings.retry_layer(),
            targets: Targets::new(self.endpoints, self.settings),
            interceptors: self.interceptors,
            transport,
            clock: self.clock,
        };
        Ok(ServiceClient {
            inner: Ok(Arc::new(inner)),
        })
    }

    /// The first fault is the one to report.
    fn note(&mut self, fault: ServiceError) {
        self.fault
            .get_or_insert_with(|| fault.with_effect(Effect::None));
    }
}

impl fmt::Debug for ServiceClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceClientBuilder")
            .field("endpoints", &self.endpoints)
            .field("settings", &self.settings)
            .field("interceptors", &self.interceptors)
            .finish_non_exhaustive()
    }
}
