use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use nova_errors::{ServiceError, Violation};
use reqwest::{Client, Url, redirect, retry};
use tower_service::Service;

use super::bounded_body::{self, DEFAULT_MAX_RESPONSE_BYTES};

/// Sends requests with reqwest and reads answers within a bound.
///
/// It follows no redirect, so that no token leaves for another host; asks no system proxy; and never sends twice by itself:
/// the policies above know when that is safe. Cloning one shares its connections.
///
/// Idle connections are closed after 4 s, before the servers that are quickest to close (5 s) do so in the
/// middle of a request.
///
/// ```
/// use std::time::Duration;
/// use nova_client::transport::HttpTransport;
///
/// let transport = HttpTransport::builder().connect_timeout(Duration::from_millis(200)).build()?;
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: Client,
    max_response_bytes: usize,
}

impl HttpTransport {
    /// Begins a transport with the defaults.
    #[must_use]
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder {
            connect_timeout: Duration::from_secs(1),
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
        }
    }

    /// Sends the request to `url`, whatever its own URI is.
    pub(super) fn send(
        &self,
        request: Request<Bytes>,
        url: Url,
    ) -> impl Future<Output = Result<Response<Bytes>, ServiceError>> + Send + use<> {
        let (parts, body) = request.into_parts();
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(body.into());
        self.execute(request)
    }

    fn execute(
        &self,
        request: reqwest::Request,
    ) -> impl Future<Output = Result<Response<Bytes>, ServiceError>> + Send + use<> {
        let answer = self.client.execute(request);
        let max_response_bytes = self.max_response_bytes;
        async move {
            let mut answer = answer.await?;
            let body = bounded_body::read(&mut answer, max_response_bytes).await?;
            let mut response = Response::new(body);
            *response.status_mut() = answer.status();
            *response.version_mut() = answer.version();
            std::mem::swap(response.headers_mut(), answer.headers_mut());
            Ok(response)
        }
    }
}

/// Settings of an [`HttpTransport`].
#[derive(Debug, Clone)]
pub struct HttpTransportBuilder {
    connect_timeout: Duration,
    max_response_bytes: usize,
}

impl HttpTransportBuilder {
    /// How long an idle connection is kept.
    const IDLE: Duration = Duration::from_secs(4);
    /// How many idle connections are kept per host.
    const MAX_IDLE_PER_HOST: usize = 64;

    /// Sets what a connect may take, TLS included; 1 s unless set.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the longest body of an answer; 16 MiB unless set. A longer one is an `Upstream` error.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Makes the transport.
    ///
    /// # Errors
    ///
    /// `Validation` where a setting is zero; `Internal` where TLS cannot be set up.
    pub fn build(self) -> Result<HttpTransport, ServiceError> {
        let zero = |field| {
            let violation = Violation::new(field, "expected more than zero");
            Err(ServiceError::Validation(violation.into()))
        };
        if self.connect_timeout.is_zero() {
            return zero("connect_timeout");
        }
        if self.max_response_bytes == 0 {
            return zero("max_response_bytes");
        }
        let client = Client::builder()
            .connect_timeout(self.connect_timeout)
            .no_proxy()
            .redirect(redirect::Policy::none())
            // By default reqwest repeats requests that HTTP/2 servers refuse, without backoff.
            .retry(retry::never())
            .referer(false)
            .pool_idle_timeout(Self::IDLE)
            .pool_max_idle_per_host(Self::MAX_IDLE_PER_HOST)
            .build()
            .map_err(|error| {
                ServiceError::Internal("set up the HTTP client".into()).with_source(error)
            })?;
        Ok(HttpTransport {
            client,
            max_response_bytes: self.max_response_bytes,
        })
    }
}

impl Service<Request<Bytes>> for HttpTransport {
    type Response = Response<Bytes>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, ServiceError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        match reqwest::Request::try_from(request) {
            Ok(request) => Box::pin(self.execute(request)),
            Err(error) => Box::pin(ready(Err(error.into()))),
        }
    }
}
