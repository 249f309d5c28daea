use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use nova_errors::ServiceError;
use nova_models::{Command, ServiceName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::CommandBuilder;
use crate::interceptor::Interceptors;
use crate::retry::RetryLayer;
use crate::stats::ClientStats;
use crate::targets::Targets;
use crate::transport::Transport;
use crate::wall_clock::WallClock;

mod builder;

pub use builder::ServiceClientBuilder;

/// Calls commands of other services: `POST {base}/api/v1/{target}/{endpoint}`.
///
/// Make one per process and clone it: clones share connections. A call made inside a handler inherits the deadline, the trace
/// and the token of the [`CallContext`](nova_models::CallContext); each call has a request id of its own. The trace goes on as it is, so that
/// the peer's span is a child of one that exists; a call made outside of any sends none.
///
/// Dropping the future of a call gives the call up; whether it took effect is then unknown.
///
/// ```
/// # use bytes::Bytes;
/// # use nova_models::{CommandRequest, CommandResponse};
/// use nova_client::ServiceClient;
/// use nova_models::{Command, Idempotency};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// struct CountViewers { stream: String }
///
/// impl Command for CountViewers {
///     type Reply = u64;
///     const TARGET: &'static str = "streaming-service";
///     const ENDPOINT: &'static str = "streams/viewers";
///     const IDEMPOTENCY: Idempotency = Idempotency::Safe;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), nova_errors::ServiceError> {
/// # let streaming_service = tower::service_fn(async |request: http::Request<Bytes>| {
/// #     let id = serde_json::from_slice::<CommandRequest<serde_json::Value>>(request.body()).unwrap().request_id;
/// #     let answer = serde_json::to_vec(&CommandResponse::ok(id, 3)).unwrap();
/// #     Ok(http::Response::new(Bytes::from(answer)))
/// # });
/// let client = ServiceClient::builder("user-service")
///     .endpoint("streaming-service", "http://streaming:8089")
/// #   .transport(streaming_service)
///     .build()?;
/// assert_eq!(client.send(CountViewers { stream: "s-1".into() }).await?, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceClient {
    /// A fault of the settings waits for the first call, so that `new` needs no `?`.
    inner: Result<Arc<Inner>, ServiceError>,
}

pub(crate) struct Inner {
    pub(crate) source: ServiceName,
    /// What every request begins with.
    pub(crate) headers: HeaderMap,
    pub(crate) deadline: Duration,
    pub(crate) retry: RetryLayer,
    pub(crate) targets: Targets,
    pub(crate) interceptors: Interceptors,
    pub(crate) transport: Transport,
    pub(crate) clock: WallClock,
}

impl ServiceClient {
    /// A client of the service `source` that reaches every target at `base_url`, with the defaults.
    ///
    /// A bad name or URL shows at the first call, as `Validation`; [`builder`](Self::builder) reports it at once.
    #[must_use]
    pub fn new(source: &str, base_url: &str) -> Self {
        match Self::builder(source).base_url(base_url).build() {
            Ok(client) => client,
            Err(error) => Self { inner: Err(error) },
        }
    }

    /// Begins a client of the service `source`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nova_client::ServiceClient;
    /// use nova_client::circuit_breaker::CircuitBreaker;
    /// use nova_errors::RetryPolicy;
    ///
    /// let client = ServiceClient::builder("user-service")
    ///     .endpoint("streaming-service", "http://streaming:8089")
    ///     .deadline(Duration::from_secs(2))
    ///     .retry(RetryPolicy::standard().max_attempts(4))
    ///     .circuit_breaker(CircuitBreaker::standard())
    ///     .concurrency_limit(256)
    ///     .build()?;
    /// # Ok::<(), nova_errors::ServiceError>(())
    /// ```
    #[must_use]
    pub fn builder(source: &str) -> ServiceClientBuilder {
        ServiceClientBuilder::new(source)
    }

    /// Calls `endpoint` at `target`, not as idempotent; [`command`](Self::command) says more about a call.
    ///
    /// # Errors
    ///
    /// What the target answers, and:
    ///
    /// - `Validation`, effect none: a name, a URL or a header value is malformed, no URL is known for the target, or the command
    ///   cannot be written as JSON.
    /// - `Timeout`: the deadline or an attempt's time-out came first. The effect is none where no attempt was made, be it for
    ///   want of a permit under the [`concurrency_limit`](ServiceClientBuilder::concurrency_limit).
    /// - `ServiceUnavailable`: the target cannot be reached (effect none), or the connection broke (unknown), or
    ///   the circuit of every endpoint is open ([`CircuitOpen`](crate::circuit_breaker::CircuitOpen) is the cause; nothing was sent).
    /// - what an [interceptor](ServiceClientBuilder::interceptor) refused the request with, effect none
    ///   ([`InterceptorRefusal`](crate::InterceptorRefusal) is the cause).
    /// - `Upstream`: the answer is none of ours, is over the bound, or is a redirect.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime whose clock is enabled.
    pub async fn call<R: DeserializeOwned>(
        &self,
        target: &str,
        endpoint: &str,
        command: impl Serialize,
    ) -> Result<R, ServiceError> {
        self.command(target, endpoint, command).send().await
    }

    /// Calls what the command's type names.
    ///
    /// # Errors
    ///
    /// See [`call`](Self::call).
    ///
    /// # Panics
    ///
    /// See [`call`](Self::call).
    pub async fn send<C: Command>(&self, command: C) -> Result<C::Reply, ServiceError> {
        self.command(C::TARGET, C::ENDPOINT, command)
            .idempotency(C::IDEMPOTENCY)
            .send()
            .await
    }

    /// Begins a call with settings of its own.
    pub fn command<'a, C: Serialize>(
        &'a self,
        target: &'a str,
        endpoint: &'a str,
        command: C,
    ) -> CommandBuilder<'a, C> {
        CommandBuilder::new(self, target, endpoint, command)
    }

    /// What is known of the targets now: breakers, budgets, permits and counts. It takes no lock.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use nova_models::{CommandRequest, CommandResponse};
    /// use nova_client::ServiceClient;
    /// use nova_client::circuit_breaker::BreakerState;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nova_errors::ServiceError> {
    /// # let feed = tower::service_fn(async |request: http::Request<Bytes>| {
    /// #     let id = serde_json::from_slice::<CommandRequest<serde_json::Value>>(request.body()).unwrap().request_id;
    /// #     Ok(http::Response::new(Bytes::from(serde_json::to_vec(&CommandResponse::ok(id, ())).unwrap())))
    /// # });
    /// let client = ServiceClient::builder("user-service")
    ///     .endpoint("feed-service", "http://feed:8084")
    /// #   .transport(feed)
    ///     .build()?;
    /// let (): () = client.call("feed-service", "feeds/rebuild", ()).await?;
    ///
    /// let stats = client.stats();
    /// let feed = stats.target("feed-service").unwrap();
    /// assert_eq!(feed.calls, 1);
    /// assert_eq!(feed.endpoints[0].url, "http://feed:8084");
    /// assert_eq!(feed.endpoints[0].breaker, BreakerState::Closed);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        match &self.inner {
            Ok(inner) => ClientStats::of(&inner.targets),
            Err(_) => ClientStats::empty(),
        }
    }

    pub(crate) fn inner(&self) -> Result<&Inner, ServiceError> {
        self.inner.as_deref().map_err(Clone::clone)
    }
}

impl fmt::Debug for ServiceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ServiceClient");
        match &self.inner {
            Ok(inner) => out
                .field("source", &inner.source.as_str())
                .field("deadline", &inner.deadline)
                .field("retry", &inner.retry)
                .field("targets", &inner.targets)
                .field("interceptors", &inner.interceptors),
            Err(error) => out.field("fault", &error.to_string()),
        };
        out.finish_non_exhaustive()
    }
}
