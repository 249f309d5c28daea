use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tonic::service::Routes;
use tower::Layer;

use super::LayeredGrpc;
use super::method_names::MethodNames;
use crate::ServiceLayer;
use crate::service_layer::Settings;

/// What each call of a gRPC server goes through: [`ServiceLayer`] for gRPC.
///
/// - The request id is kept from `x-request-id` where it is valid, else made; the answer bears it.
/// - The handler, and the stream that it answers with, run in a [`CallContext`](nova_models::CallContext) with the request id, the deadline and the trace of `traceparent`. The deadline
///   is that of `grpc-timeout` or of `x-nova-deadline-ms`, whichever is earlier.
/// - When the deadline is gone the handler or its stream is dropped, and the status is `DEADLINE_EXCEEDED`; where it was gone before, no handler runs.
/// - A panic is `INTERNAL`, also within a stream. A [`ServiceError`](nova_errors::ServiceError) of a layer inside, such as [`LoadShedLayer`](crate::LoadShedLayer) or
///   what verifies tokens, is answered as its status.
/// - A handler's own status never claims the effect none: that a call inside the handler had none says nothing of what the handler did before.
/// - Each failure is logged once, with its causes where the status holds them: at level error where the server is to blame, else, and for methods that are not there, at info. What [`LoadShed`](crate::LoadShed) refuses is at debug.
/// - A span `rpc.call`, and the histogram `rpc.server.call.duration` in seconds until the end of the answer, with the labels `service`, `rpc.system.name`, `rpc.method` and
///   `rpc.response.status_code` (`CANCELLED` where the client left). Methods that nobody implements, and those after the first 1024 names, are `_OTHER`, since callers can invent them. Traces name the span
///   by the same label. The deadline of a stream is watched as long as its client takes what is sent.
///
/// [`wrap`](Self::wrap) makes a router for [`HttpServer`](crate::HttpServer), which drains like the HTTP side. Under tonic's own server, as its `layer`, there is also tonic's
/// time-out, which strikes at the same time as this one, as `CANCELLED`.
///
/// ```
/// use nova_service::{GrpcHealth, GrpcLayer, Health, HttpServer, Shutdown};
/// use nova_service::BackgroundWorker;
/// use tonic::service::Routes;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let (trigger, shutdown) = Shutdown::new();
/// let health = Health::new("auth-service", env!("CARGO_PKG_VERSION")).shutdown(shutdown.clone());
/// let routes = Routes::new(GrpcHealth::new(health).into_server());
/// let app = GrpcLayer::new("auth-service").wrap(routes);
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # trigger.shutdown();
/// HttpServer::new(listener, app).named("grpc").run(shutdown).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct GrpcLayer {
    base: ServiceLayer,
    names: Arc<MethodNames>,
}

impl GrpcLayer {
    /// The layer of `service`, which is called by its peers.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            base: ServiceLayer::new(service),
            names: Arc::default(),
        }
    }

    /// Gives every call this long at most, streams included: to one without a deadline, and to one with a later one. Unlimited by default.
    #[must_use]
    pub fn max_deadline(mut self, limit: Duration) -> Self {
        self.base = self.base.max_deadline(limit);
        self
    }

    /// For the public edge: takes no request id, deadline or trace from the caller. The caller's request id is kept in the span
    /// alone, as `client_request_id`.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.base = self.base.public();
        self
    }

    /// Puts the layer around all services of `routes`, for [`HttpServer`](crate::HttpServer).
    pub fn wrap(self, routes: Routes) -> Router {
        routes.prepare().into_axum_router().layer(self)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.base.settings
    }

    pub(super) fn names(&self) -> &Arc<MethodNames> {
        &self.names
    }
}

impl<S> Layer<S> for GrpcLayer {
    type Service = LayeredGrpc<S>;

    fn layer(&self, inner: S) -> LayeredGrpc<S> {
        LayeredGrpc::new(inner, self.clone())
    }
}
