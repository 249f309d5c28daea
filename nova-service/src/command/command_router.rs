use std::collections::BTreeSet;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{any, post};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{CallContext, Command as TypedCommand, EndpointName, ServiceName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command_path::path_of;
use super::{COMMAND_ROUTE, Command, CommandMark, command_path, peek_request_id};
use crate::body_limit::read_body;
use crate::json::invalid;

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
    service: String,
    endpoints: BTreeSet<String>,
    routes: Router<S>,
    error: Option<ServiceError>,
}

impl<S: Clone + Send + Sync + 'static> CommandRouter<S> {
    /// The commands of `service`, none so far.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            endpoints: BTreeSet::new(),
            routes: Router::new(),
            error: None,
        }
    }

    /// Adds an endpoint with an axum handler, which takes a [`Command`] as its last argument.
    pub fn command<H, T>(mut self, endpoint: &str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        match self.claim(endpoint) {
            Ok(()) => {
                let path = path_of(&self.service, endpoint);
                self.routes = self.routes.route(&path, post(handler));
            }
            Err(error) => self.refuse(error),
        }
        self
    }

    /// Adds a [typed command](nova_models::Command): endpoint and reply are the type's. The calls that the handler makes carry the
    /// envelope's request id.
    pub fn on<C, F, Fut>(self, handler: F) -> Self
    where
        C: TypedCommand + DeserializeOwned + Send + 'static,
        C::Reply: Serialize,
        F: Fn(C) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<C::Reply, ServiceError>> + Send,
    {
        let mut this = self;
        if C::TARGET != this.service {
            let violation = Violation::new(
                "target",
                format!("{} is for {}, not {}", C::ENDPOINT, C::TARGET, this.service),
            );
            this.refuse(invalid(violation));
            return this;
        }
        this.command(C::ENDPOINT, move |command: Command<C>| async move {
            let id = command.request_id().clone();
            let mut context = CallContext::current().unwrap_or_default();
            context.request_id = Some(id.clone());
            let data = context.scope(handler(command.into_inner())).await?;
            Ok::<_, ServiceError>(super::CommandReply::new(id, data))
        })
    }

    /// The routes.
    ///
    /// # Errors
    ///
    /// `Validation` for the first thing that is wrong: the name of the service or of an endpoint, an endpoint that is there twice, or a typed command
    /// for another target.
    pub fn build(self) -> Result<Router<S>, ServiceError> {
        let service = ServiceName::new(self.service)?;
        if let Some(error) = self.error {
            return Err(error);
        }
        let refuse = move |request: Request| {
            let service = service.clone();
            async move { refuse(&service, request).await.with_effect(Effect::None) }
        };
        Ok(self.routes.route(COMMAND_ROUTE, any(refuse)))
    }

    fn claim(&mut self, endpoint: &str) -> Result<(), ServiceError> {
        ServiceName::new(self.service.clone())?;
        EndpointName::new(endpoint.to_owned())?;
        if self.endpoints.insert(endpoint.to_owned()) {
            return Ok(());
        }
        let message = format!("{endpoint} is there twice");
        Err(invalid(Violation::new("endpoint", message)))
    }

    fn refuse(&mut self, error: ServiceError) {
        self.error.get_or_insert(error);
    }
}

/// Answers what no endpoint takes.
async fn refuse(service: &ServiceName, request: Request) -> ServiceError {
    if request.method() != Method::POST {
        return ServiceError::NotFound("no such route".into());
    }
    let mark = CommandMark::of(&request);
    mark.set();
    let path = request.uri().path().to_owned();
    // Whatever else is wrong with the request, the answer bears its id.
    let body = read_body(request).await.ok();
    if let Some(id) = body.as_deref().and_then(peek_request_id) {
        mark.set_request_id(id);
    }
    let (target, endpoint) = command_path(&path).unwrap_or_default();
    let names = ServiceName::new(target.to_owned())
        .and_then(|target| Ok((target, EndpointName::new(endpoint.to_owned())?)));
    match names {
        Err(malformed) => malformed,
        Ok((target, _)) if target != *service => {
            ServiceError::NotFound(format!("unknown target {target}").into())
        }
        Ok((_, endpoint)) => ServiceError::NotFound(format!("unknown endpoint {endpoint}").into()),
    }
}
