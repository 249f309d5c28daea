use std::task::{Context, Poll};

use axum::http::Request;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use nova_models::CallContext;
use tower::{Layer, Service};

use super::LoadShed;
use crate::probe::is_probe;

/// Refuses the requests that are more than the service can do now: see [`LoadShed`].
///
/// It goes right inside of [`ServiceLayer`](crate::ServiceLayer) (or `GrpcLayer`), which sets the deadline that it minds and renders the refusal: `ServiceUnavailable` with `Retry-After` and the
/// effect none. A request counts until the head of its answer is there; a body that streams on does not. Probes of health and metrics always get through.
///
/// ```
/// use axum::{Router, routing::get};
/// use nova_service::{LoadShed, LoadShedLayer, ServiceLayer};
///
/// let shed = LoadShed::new("content-service", 256)?;
/// let app = Router::new().route("/posts", get(|| async { "[]" }));
/// let app = app.layer(LoadShedLayer::new(shed));
/// let app = ServiceLayer::new("content-service").wrap(app);
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LoadShedLayer {
    shed: LoadShed,
}

impl LoadShedLayer {
    /// The layer that asks `shed`.
    #[must_use]
    pub fn new(shed: LoadShed) -> Self {
        Self { shed }
    }

    #[cfg(feature = "actix")]
    pub(crate) fn shed(&self) -> &LoadShed {
        &self.shed
    }
}

impl<S> Layer<S> for LoadShedLayer {
    type Service = LoadShedding<S>;

    fn layer(&self, inner: S) -> LoadShedding<S> {
        LoadShedding {
            inner,
            shed: self.shed.clone(),
        }
    }
}

/// A service within a [`LoadShedLayer`].
#[derive(Debug, Clone)]
pub struct LoadShedding<S> {
    inner: S,
    shed: LoadShed,
}

impl<S, B> Service<Request<B>> for LoadShedding<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone may not be ready; the one that was asked is.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let shed = self.shed.clone();
        Box::pin(async move {
            let permit = if is_probe(request.uri().path()) {
                None
            } else {
                let deadline = CallContext::current().and_then(|context| context.deadline);
                match shed.admit(deadline).await {
                    Ok(permit) => Some(permit),
                    Err(refusal) => return Ok(refusal.into_response()),
                }
            };
            let response = inner.call(request).await?.into_response();
            drop(permit);
            Ok(response)
        })
    }
}
