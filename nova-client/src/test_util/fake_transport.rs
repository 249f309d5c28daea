use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use nova_errors::ServiceError;
use nova_models::headers;
use tokio::time::Instant;
use tower_service::Service;

use super::{MAX_KEPT, Outcome};
use crate::{ServiceClient, ServiceClientBuilder};

/// A transport that sends nothing and answers by a script or by a function. A clone is the same transport.
///
/// ```
/// use nova_client::test_util::{Answer, FakeTransport, Outcome};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), nova_errors::ServiceError> {
/// let transport = FakeTransport::from_fn(|request| match request.uri().path() {
///     "/api/v1/feed-service/feeds/count" => Answer::success(3).into(),
///     _ => Outcome::silence(),
/// });
/// let client = transport.builder("user-service").build()?;
/// assert_eq!(client.call::<u8>("feed-service", "feeds/count", ()).await?, 3);
/// assert_eq!(transport.count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FakeTransport {
    inner: Arc<Inner>,
}

type Decide = dyn Fn(&Request<Bytes>) -> Outcome + Send + Sync;

struct Inner {
    decide: Box<Decide>,
    sent: Mutex<Vec<Sent>>,
    count: AtomicU64,
}

/// A request that a [`FakeTransport`] was given, and when.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The request. Its body is the very one that was given, not a copy.
    pub request: Request<Bytes>,
    /// When, by tokio's clock.
    pub at: Instant,
}

impl FakeTransport {
    /// One outcome for each request. When the script is over, further ones are answered `Internal`.
    pub fn new(script: impl IntoIterator<Item = impl Into<Outcome>>) -> Self {
        let script: VecDeque<Outcome> = script.into_iter().map(Into::into).collect();
        let script = Mutex::new(script);
        Self::from_fn(move |_| {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            script.pop_front().unwrap_or_else(|| {
                Outcome::failure(ServiceError::Internal("the script is over".into()))
            })
        })
    }

    /// The outcome that a function makes of each request.
    pub fn from_fn(decide: impl Fn(&Request<Bytes>) -> Outcome + Send + Sync + 'static) -> Self {
        let inner = Inner {
            decide: Box::new(decide),
            sent: Mutex::default(),
            count: AtomicU64::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Begins a client of the service `source` that reaches every target over this transport, at `http://peer`.
    #[must_use]
    pub fn builder(&self, source: &str) -> ServiceClientBuilder {
        ServiceClient::builder(source)
            .base_url("http://peer")
            .transport(self.clone())
    }

    /// The requests so far, the first 10 000 of them.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        let sent = self.inner.sent.lock();
        sent.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.inner.count.load(Ordering::SeqCst)
    }
}

impl Sent {
    /// The value of a header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }
}

impl Service<Request<Bytes>> for FakeTransport {
    type Response = Response<Bytes>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, ServiceError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let id = request.headers().get(headers::REQUEST_ID);
        let id = id.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let id = id.to_owned();
        let outcome = (self.inner.decide)(&request);
        self.inner.count.fetch_add(1, Ordering::SeqCst);
        let mut sent = self
            .inner
            .sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if sent.len() < MAX_KEPT {
            let at = Instant::now();
            sent.push(Sent { request, at });
        }
        drop(sent);
        Box::pin(async move { outcome.come_about(&id).await })
    }
}

impl fmt::Debug for FakeTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTransport")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
