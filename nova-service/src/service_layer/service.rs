use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use nova_errors::{Effect, ServiceError};
use nova_models::{CallContext, Deadline, headers};
use tokio::time::Instant;
use tower::Service;
use tracing::{Instrument, Span, field};

use super::duration_metric::DurationMetric;
use super::inbound::Inbound;
use super::trace::current_trace;
use super::{Settings, answer};
use crate::command::{COMMAND_ROUTE, CommandMark, command_path};
use crate::panic::Panic;

/// A service within a [`ServiceLayer`](crate::ServiceLayer).
#[derive(Debug, Clone)]
pub struct LayeredService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> LayeredService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S> Service<Request> for LayeredService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The clone may not be ready; the one that was asked is.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let settings = self.settings.clone();
        Box::pin(async move { Ok(serve(inner, request, &settings).await) })
    }
}

async fn serve<S>(inner: S, mut request: Request, settings: &Settings) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let route: Option<MatchedPath> = request.extensions().get().cloned();
    let metric = DurationMetric::start(settings.service.clone(), request.method(), route.clone());
    let now = Instant::now().into_std();
    let inbound = Inbound::read(request.headers(), settings, now);
    let span = span(&request, route.as_ref(), &inbound, settings);
    let looks_like_command = looks_like_command(&request, route.as_ref(), settings);
    let mark = CommandMark::default();
    request.extensions_mut().insert(mark.clone());
    settings.body_limit.apply(&mut request);

    let mut context = CallContext::new();
    context.request_id = Some(inbound.request_id.clone());
    context.trace = current_trace(&span, inbound.trace);

    let handling = async {
        let mut response = match inbound.deadline {
            Ok(deadline) => {
                context.deadline = deadline;
                run(inner, request, context).await
            }
            Err(refused) => Err(refused.with_effect(Effect::None)),
        }
        .unwrap_or_else(IntoResponse::into_response);

        let request_id = mark.request_id().unwrap_or(&inbound.request_id);
        let span = Span::current();
        span.record("request_id", request_id.as_str());
        span.record("http.response.status_code", response.status().as_u16());
        if let Some(mut error) = answer::take_error(&mut response, route.is_some()) {
            // That a call inside the handler had no effect says nothing of what the handler did before.
            if mark.is_handed_over() {
                error = error.with_effect(Effect::Unknown);
            }
            answer::log(&error, response.status());
            let is_command = looks_like_command || mark.is_set();
            answer::render(&mut response, &error, request_id, is_command);
        }
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert(headers::REQUEST_ID, id);
        }
        response
    };
    let response = handling.instrument(span).await;
    metric.finish(response.status().as_u16());
    response
}

/// Runs the handler in its context, until its deadline.
async fn run<S>(
    mut inner: S,
    request: Request,
    context: CallContext,
) -> Result<Response, ServiceError>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let deadline = context.deadline;
    let over = |deadline: Deadline| deadline.is_over(Instant::now().into_std());
    if deadline.is_some_and(over) {
        let error = ServiceError::Timeout("the deadline was over before the start".into());
        return Err(error.with_effect(Effect::None));
    }
    // Called inside, so that a panic of `call` itself is caught and the context is there for it too.
    let handler = context.scope(Panic::catch(async { inner.call(request).await }));
    let outcome = match deadline {
        None => handler.await,
        Some(deadline) => tokio::time::timeout_at(deadline.instant().into(), handler)
            .await
            .map_err(|_| ServiceError::Timeout("the deadline is over".into()))?,
    };
    match outcome {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(never)) => match never {},
        Err(panic) => Err(ServiceError::Internal("handler panicked".into()).with_source(panic)),
    }
}

/// Whether a failure before any extractor ran is to be answered as an envelope.
fn looks_like_command(request: &Request, route: Option<&MatchedPath>, settings: &Settings) -> bool {
    request.method() == Method::POST
        && (route.is_some_and(|route| route.as_str() == COMMAND_ROUTE)
            || command_path(request.uri().path())
                .is_some_and(|(target, _)| *target == *settings.service))
}

fn span(
    request: &Request,
    route: Option<&MatchedPath>,
    inbound: &Inbound,
    settings: &Settings,
) -> Span {
    let method = request.method();
    let route = route.map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "http.request",
        otel.name = field::Empty,
        otel.kind = "server",
        otel.status_code = field::Empty,
        service = %settings.service,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = field::Empty,
        request_id = inbound.request_id.as_str(),
        client_request_id = inbound.client_request_id.as_deref(),
        source = inbound.source.as_ref().map(AsRef::<str>::as_ref),
        trace_id = inbound.trace.as_ref().map(nova_models::TraceContext::trace_id),
    );
    if let (false, Some(route)) = (span.is_disabled(), route) {
        span.record("otel.name", format!("{method} {route}"));
    }
    span
}
