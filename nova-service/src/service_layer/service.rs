use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use nova_models::headers;
use tower::Service;

use super::Settings;
use super::answer::Answer;
use super::in_flight::{Head, InFlight};
use crate::command::WatchedBody;

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

async fn serve<S>(mut inner: S, mut request: Request, settings: &Settings) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let route: Option<MatchedPath> = request.extensions().get().cloned();
    let in_flight = InFlight::begin(
        settings,
        Head {
            method: request.method().as_str(),
            path: request.uri().path(),
            route: route.as_ref().map(|route| Cow::Borrowed(route.as_str())),
            headers: request.headers(),
        },
    );
    request.extensions_mut().insert(in_flight.mark());
    if in_flight.looks_like_command() {
        request = request.map(|body| WatchedBody::new(body, in_flight.mark()).into());
    }
    settings.body_limit.apply(&mut request);
    // Called inside, so that a panic of `call` itself is caught and the context is there for it too.
    let handler = async { inner.call(request).await };
    let mut response = match in_flight.run(handler).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(error) => error.into_response(),
    };

    let found = look_into(&mut response);
    let conclusion = in_flight.conclude(response.status().as_u16(), found);
    let headers = response.headers_mut();
    if let Some(rendered) = conclusion.rendered {
        headers.remove(header::CONTENT_LENGTH);
        let content_type = HeaderValue::from_static(rendered.content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
        *response.body_mut() = Body::from(rendered.body);
    }
    if let Ok(id) = HeaderValue::from_str(&conclusion.request_id) {
        response.headers_mut().insert(headers::REQUEST_ID, id);
    }
    response
}

fn look_into(response: &mut Response) -> Answer {
    if let Some(error) = response.extensions_mut().remove() {
        return Answer::Error(error);
    }
    let is_bare = response.body().size_hint().exact() == Some(0)
        && !response.headers().contains_key(header::CONTENT_TYPE);
    if is_bare { Answer::Bare } else { Answer::Own }
}
