use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::response::IntoResponse;
use axum::routing::{Route, any, post};
use nova_errors::ServiceError;
use nova_models::{Command as TypedCommand, ServiceName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::{Layer, Service};

use super::reached::ReachedLayer;
use super::{COMMAND_ROUTE, Command, CommandMark, EndpointClaims, answer, no_such_route, refuse};
use crate::body_limit::read_body;

/// The commands of a service: `POST /api/v1/{service}/{endpoint}`.
///
/// A command for another target or to an unknown endpoint is `NotFound`, a malformed name `Validation`. [`ServiceLayer`](crate::ServiceLayer) answers both,
/// and what a handler fails with, as an envelope. There is one of these in a router: it takes every path of two or more segments under `/api/v1/` that no other
/// route takes.
///
/// ```
/// use nova_errors::ServiceError;
/// use nova_models::Command;
/// use nova_service::{CommandRouter, ServiceLayer};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct CountViewers { stream_id: u64 }
///
/// impl Command for CountViewers {
///     type Reply = u32;
///     const TARGET: &'static str = "streaming-service";
///     const ENDPOINT: &'static str = "streams/viewers";
/// }
///
/// async fn info(command: nova_service::Command<u64>) -> Result<nova_service::CommandReply<String>, ServiceError> {
///     Ok(command.reply(format!("stream {}", *command)))
/// }
///
/// let commands: axum::Router = CommandRouter::new("streaming-service")
///     .on(|command: CountViewers| async move { Ok(command.stream_id as u32) })
///     .command("streams/info", info)
///     .build()?;
/// let app = ServiceLayer::new("streaming-service").wrap(commands);
/// # Ok::<(), ServiceError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct CommandRouter<S = ()> {
    claims: EndpointClaims,
    routes: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> CommandRouter<S> {
    /// The commands of `service`, none so far.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            claims: EndpointClaims::new(service.into()),
            routes: Router::new(),
        }
    }

    /// Adds an endpoint with an axum handler, which takes a [`Command`] as its last argument.
    pub fn command<H, T>(mut self, endpoint: &str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        if let Some(path) = self.claims.claim(endpoint) {
            self.routes = self.routes.route(&path, post(handler).layer(ReachedLayer));
        }
        self
    }

    /// Adds a [typed command](nova_models::Command): endpoint and reply are the type's. The calls that the handler makes carry the
    /// envelope's request id.
    pub fn on<C, F, Fut>(mut self, handler: F) -> Self
    where
        C: TypedCommand + DeserializeOwned + Send + 'static,
        C::Reply: Serialize,
        F: Fn(C) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<C::Reply, ServiceError>> + Send,
    {
        if !self.claims.is_for::<C>() {
            return self;
        }
        self.command(C::ENDPOINT, |command: Command<C>| answer(command, handler))
    }

    /// Puts a layer around the endpoints that are there so far: an [`IdempotencyLayer`](crate::IdempotencyLayer), or what only some commands need.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.routes = self.routes.layer(layer);
        self
    }

    /// The routes.
    ///
    /// # Errors
    ///
    /// `Validation` for the first thing that is wrong: the name of the service or of an endpoint, an endpoint that is there twice, or a typed command
    /// for another target.
    pub fn build(self) -> Result<Router<S>, ServiceError> {
        let service = self.claims.finish()?;
        let unknown = move |request: Request| {
            let service = service.clone();
            async move { unknown(&service, request).await }
        };
        Ok(self.routes.route(COMMAND_ROUTE, any(unknown)))
    }
}

/// Answers what no endpoint takes.
async fn unknown(service: &ServiceName, request: Request) -> ServiceError {
    if request.method() != Method::POST {
        return no_such_route();
    }
    let mark = CommandMark::of(&request);
    let path = request.uri().path().to_owned();
    let body = read_body(request).await.ok();
    refuse(service, &path, &mark, body.as_deref())
}
