mod answer;
mod duration_metric;
mod in_flight;
mod inbound;
mod run;
mod service;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tower::Layer;

use crate::BodyLimit;

#[cfg(feature = "actix")]
pub(crate) use answer::Answer;
#[cfg(feature = "actix")]
pub(crate) use in_flight::{Head, InFlight};
#[cfg(feature = "grpc")]
pub(crate) use inbound::Inbound;
#[cfg(feature = "grpc")]
pub(crate) use run::run;
pub use service::LayeredService;
#[cfg(feature = "grpc")]
pub(crate) use trace::{current_trace, rename};

/// What each request of a service goes through, as one layer around the whole router: a `tower` layer, and with the feature `actix` a
/// middleware of actix-web.
///
/// - The request id is kept from `x-request-id` where it is valid, else made; the answer bears it.
/// - The handler runs in a [`CallContext`](nova_models::CallContext) with the request id, the deadline of `x-nova-deadline-ms` and the trace of `traceparent`. The subject
///   and the token are not set here: what verifies the caller does that. Deadlines that are no number are `Validation`; an invalid trace is ignored, as its standard asks.
/// - When the deadline is gone the handler is dropped and the answer is `Timeout`; where it was gone before, no handler runs. A body that streams on after the head of the
///   answer is outside of context, deadline and histogram; it ends with its client's connection.
/// - A [`ServiceError`](nova_errors::ServiceError) is answered by the kind of route: as an envelope where it is a command, else as problem+json with `instance` = request id. A
///   panic is `Internal`. An error status without a body, such as axum's own for unknown routes, gets one. A wrong method stays status 405 with `Allow`, as HTTP asks,
///   with the code `unimplemented`: the resource is known, the operation is not offered.
/// - The envelope says that a command had no effect only where a layer or an extractor of this crate refused it. Once somebody else has read its body, or a handler of a
///   [`CommandRouter`](crate::CommandRouter) failed with what may pass, the effect is unknown, whatever the error says.
/// - Each error is logged once, with its causes: at level error from status 500, else at info. What [`LoadShed`](crate::LoadShed) refuses is at debug.
/// - A span `http.request`, and the histogram `http.server.request.duration` in seconds with the labels `service`, `http.request.method`, `http.route` (the pattern, never the path)
///   and `http.response.status_code` (499 where the client left).
/// - Extractors read bodies up to the [`BodyLimit`].
///
/// ```
/// use axum::{Router, routing::get};
/// use nova_errors::ServiceError;
/// use nova_service::ServiceLayer;
///
/// async fn post() -> Result<String, ServiceError> {
///     Err(ServiceError::NotFound("post 42".into()))
/// }
/// let app = Router::new().route("/posts/42", get(post));
/// let app = ServiceLayer::new("content-service").wrap(app);
/// ```
#[derive(Debug, Clone)]
pub struct ServiceLayer {
    pub(crate) settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) service: Arc<str>,
    pub(crate) body_limit: BodyLimit,
    max_deadline: Option<Duration>,
    pub(crate) trusts_callers: bool,
}

impl ServiceLayer {
    /// The layer of `service`, which is called by its peers.
    pub fn new(service: impl Into<String>) -> Self {
        let service: String = service.into();
        Self {
            settings: Arc::new(Settings {
                service: service.into(),
                body_limit: BodyLimit::DEFAULT,
                max_deadline: None,
                trusts_callers: true,
            }),
        }
    }

    /// Sets how many bytes of a body an extractor reads. [`BodyLimit::DEFAULT`] by default.
    #[must_use]
    pub fn body_limit(mut self, limit: BodyLimit) -> Self {
        Arc::make_mut(&mut self.settings).body_limit = limit;
        self
    }

    /// Gives every request this long at most: to one without a deadline, and to one with a later one. Unlimited by default.
    #[must_use]
    pub fn max_deadline(mut self, limit: Duration) -> Self {
        Arc::make_mut(&mut self.settings).max_deadline = Some(limit);
        self
    }

    /// For the public edge: takes no request id, deadline or trace from the caller, nor the id in an envelope. The request id of the caller's header is kept in the
    /// span alone, as `client_request_id`.
    #[must_use]
    pub fn public(mut self) -> Self {
        Arc::make_mut(&mut self.settings).trusts_callers = false;
        self
    }

    /// Puts the layer around all routes of `app` and its fall-back. Routes that are added later are outside.
    pub fn wrap(self, app: Router) -> Router {
        app.layer(self)
    }
}

impl<S> Layer<S> for ServiceLayer {
    type Service = LayeredService<S>;

    fn layer(&self, inner: S) -> LayeredService<S> {
        LayeredService::new(inner, self.settings.clone())
    }
}
