use std::fmt;
use std::sync::Arc;

use actix_web::dev::{AppService, HttpServiceFactory, Payload};
use actix_web::guard::{GuardContext, fn_guard};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route, web};
use nova_errors::ServiceError;
use nova_models::{Command as TypedCommand, ServiceName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{mark_of, read_body};
use crate::command::{COMMAND_ROUTE, CommandMark, EndpointClaims, answer, no_such_route, refuse};
use crate::{Command, IdempotencyLayer};

/// [`COMMAND_ROUTE`] in the words of actix-web.
const ROUTE: &str = "/api/v1/{target_service}/{endpoint:.+}";

/// The pattern as axum services call it, so that the labels of both are the same.
pub(super) fn known_route(pattern: String) -> String {
    if pattern == ROUTE {
        return COMMAND_ROUTE.to_owned();
    }
    pattern
}

/// The commands of a service: what [`CommandRouter`](crate::CommandRouter) is for axum.
///
/// A command for another target or to an unknown endpoint is `NotFound`, a malformed name `Validation`. actix-web asks its services in
/// the order of their registration, and this one takes every path of two or more segments under `/api/v1/`: register it last.
///
/// ```
/// use actix_web::App;
/// use nova_errors::ServiceError;
/// use nova_service::{Command, CommandReply, ServiceLayer, actix};
///
/// async fn info(command: Command<u64>) -> Result<CommandReply<String>, ServiceError> {
///     Ok(command.reply(format!("stream {}", *command)))
/// }
///
/// let commands = actix::CommandRouter::new("streaming-service").command("streams/info", info).build()?;
/// let app = move || App::new().service(commands.clone()).wrap(ServiceLayer::new("streaming-service"));
/// # app();
/// # Ok::<(), ServiceError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct CommandRouter {
    claims: EndpointClaims,
    endpoints: Vec<Endpoint>,
}

/// Every worker of actix-web has routes of its own, so they are made for each.
#[derive(Clone)]
struct Endpoint {
    path: String,
    route: Arc<dyn Fn() -> Route + Send + Sync>,
    layer: Option<IdempotencyLayer>,
}

impl CommandRouter {
    /// The commands of `service`, none so far.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            claims: EndpointClaims::new(service.into()),
            endpoints: Vec::new(),
        }
    }

    /// Adds an endpoint with an actix-web handler, which takes a [`Command`].
    pub fn command<H, Args>(mut self, endpoint: &str, handler: H) -> Self
    where
        H: Handler<Args> + Send + Sync,
        H::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        if let Some(path) = self.claims.claim(endpoint) {
            let route = Arc::new(move || {
                let reached = |request: &GuardContext<'_>| {
                    if let Some(mark) = request.req_data().get::<CommandMark>() {
                        mark.set_at_handler();
                    }
                    true
                };
                // A guard is asked when all layers of the endpoint have let the request through.
                web::post().guard(fn_guard(reached)).to(handler.clone())
            });
            self.endpoints.push(Endpoint {
                path,
                route,
                layer: None,
            });
        }
        self
    }

    /// Adds a [typed command](nova_models::Command): endpoint and reply are the type's. The calls that the handler makes carry the
    /// envelope's request id.
    pub fn on<C, F, Fut>(mut self, handler: F) -> Self
    where
        C: TypedCommand + DeserializeOwned + 'static,
        C::Reply: Serialize + 'static,
        F: Fn(C) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<C::Reply, ServiceError>> + 'static,
    {
        if !self.claims.is_for::<C>() {
            return self;
        }
        let handler = move |command: Command<C>| answer(command, handler.clone());
        self.command(C::ENDPOINT, handler)
    }

    /// Puts an [`IdempotencyLayer`] around the endpoints that are there so far.
    pub fn layer(mut self, layer: IdempotencyLayer) -> Self {
        let layer = Some(layer);
        for endpoint in &mut self.endpoints {
            endpoint.layer.clone_from(&layer);
        }
        self
    }

    /// The routes.
    ///
    /// # Errors
    ///
    /// `Validation` for the first thing that is wrong: the name of the service or of an endpoint, an endpoint that is there twice, or a typed command
    /// for another target.
    pub fn build(self) -> Result<Commands, ServiceError> {
        Ok(Commands {
            service: self.claims.finish()?,
            endpoints: self.endpoints.into(),
        })
    }
}

/// The routes of a [`CommandRouter`], for [`App::service`](actix_web::App::service): clone it for each worker.
#[derive(Debug, Clone)]
pub struct Commands {
    service: ServiceName,
    endpoints: Arc<[Endpoint]>,
}

impl HttpServiceFactory for Commands {
    fn register(self, config: &mut AppService) {
        for endpoint in self.endpoints.iter() {
            let resource = web::resource(endpoint.path.as_str()).route((endpoint.route)());
            match endpoint.layer.clone() {
                Some(layer) => resource.wrap(layer).register(config),
                None => resource.register(config),
            }
        }
        let service = self.service;
        let unknown = move |request: HttpRequest, payload: web::Payload| {
            let service = service.clone();
            async move { unknown(&service, &request, payload.into_inner()).await }
        };
        web::resource(ROUTE).to(unknown).register(config);
    }
}

/// Answers what no endpoint takes.
async fn unknown(
    service: &ServiceName,
    request: &HttpRequest,
    mut payload: Payload,
) -> HttpResponse {
    if request.method() != Method::POST {
        return HttpResponse::from_error(no_such_route());
    }
    let body = read_body(request, &mut payload).await.ok();
    let path = request.uri().path();
    let error = refuse(service, path, &mark_of(request), body.as_deref());
    HttpResponse::from_error(error)
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.path).finish()
    }
}
