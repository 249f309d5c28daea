use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use nova_errors::{ServiceError, Violation};
use tower::{Layer, Service};

use crate::command::CommandMark;

/// How many bytes of a request's body an extractor reads at most; more is `PayloadTooLarge`.
///
/// [`ServiceLayer`](crate::ServiceLayer) sets [`DEFAULT`](Self::DEFAULT) for all routes. A route that needs another bound has this as its own layer. A
/// handler that streams the body bounds it itself.
///
/// ```
/// use axum::{Router, routing::post};
/// use nova_service::{BodyLimit, ServiceLayer};
///
/// let import = post(|body: axum::body::Bytes| async move { body.len().to_string() });
/// let app: Router = Router::new()
///     .route("/import", import.layer(BodyLimit::bytes(16 * 1024 * 1024)))
///     .layer(ServiceLayer::new("content-service"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(usize);

impl BodyLimit {
    /// 2 MiB.
    pub const DEFAULT: Self = Self(2 * 1024 * 1024);

    /// How long a body may stand still before it has broken off: 30 s. [`HttpServer`](crate::HttpServer) minds it for all extractors (and not for gRPC, whose
    /// streams may rest), and so do those of this crate in actix-web.
    pub const STALL: Duration = Duration::from_secs(30);

    /// A limit of `bytes`.
    #[must_use]
    pub const fn bytes(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(crate) fn apply(self, request: &mut Request) {
        DefaultBodyLimit::max(self.0).apply(request);
        request.extensions_mut().insert(self);
    }

    /// The whole of `body`, of which the client has announced so many bytes, or 0. One that waits for a word before it sends its body has not sent it.
    pub(crate) async fn read<B>(
        self,
        mut body: B,
        announced: u64,
        waits_to_send: bool,
    ) -> Result<Bytes, ServiceError>
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let limit = self.0;
        if usize::try_from(announced).unwrap_or(usize::MAX) <= limit {
            let error = match Limited::new(&mut body, limit).collect().await {
                Ok(collected) => return Ok(collected.to_bytes()),
                Err(error) => error,
            };
            if !error.is::<LengthLimitError>() {
                return Err(broken_off(error));
            }
        }
        if !waits_to_send && announced <= LINGER_BYTES {
            // An unread rest makes the system reset the connection, and the client might lose the answer.
            let _ = tokio::time::timeout(LINGER, discard(body)).await;
        }
        Err(too_large(limit))
    }
}

impl Default for BodyLimit {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl<S> Layer<S> for BodyLimit {
    type Service = LimitBody<S>;

    fn layer(&self, inner: S) -> LimitBody<S> {
        LimitBody {
            inner,
            limit: *self,
        }
    }
}

/// A service with a [`BodyLimit`].
#[derive(Debug, Clone)]
pub struct LimitBody<S> {
    inner: S,
    limit: BodyLimit,
}

impl<S: Service<Request>> Service<Request> for LimitBody<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        self.limit.apply(&mut request);
        self.inner.call(request)
    }
}

/// The whole body, within the request's limit.
pub(crate) async fn read_body(request: Request) -> Result<Bytes, ServiceError> {
    let limit: Option<BodyLimit> = request.extensions().get().copied();
    let waits_to_send = request.headers().contains_key(header::EXPECT);
    let mark = CommandMark::of(&request);
    let body = request.into_body();
    let announced = body.size_hint().lower();
    let read = limit
        .unwrap_or_default()
        .read(body, announced, waits_to_send)
        .await;
    mark.take_back();
    read
}

/// How much of a body that is too large is read and thrown away, and for how long.
const LINGER_BYTES: u64 = 8 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

async fn discard<B: HttpBody<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = LINGER_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

pub(crate) fn too_large(limit: usize) -> ServiceError {
    ServiceError::PayloadTooLarge(format!("body is over the limit of {limit} bytes").into())
}

/// Too large by a limit that is not told.
#[cfg(feature = "actix")]
pub(crate) fn over_limit() -> ServiceError {
    ServiceError::PayloadTooLarge("body is over the limit".into())
}

pub(crate) fn broken_off(cause: impl Into<BoxError>) -> ServiceError {
    let violation = Violation::new("body", "could not be read to its end");
    ServiceError::Validation(violation.into()).with_source(std::io::Error::other(cause))
}
