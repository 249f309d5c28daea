use std::borrow::Cow;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;
use nova_errors::{ErrorDetail, ErrorKind, ServiceError};
use nova_models::headers;

use super::body::watched;
use super::command_router::known_route;
use super::rejection::service_error;
use crate::ServiceLayer;
use crate::header_view::HeaderView;
use crate::service_layer::{Answer, Head, InFlight, Settings};

impl<S, B> Transform<S, ServiceRequest> for ServiceLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = LayeredService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(LayeredService {
            inner: Rc::new(inner),
            settings: self.settings.clone(),
        }))
    }
}

/// A service of actix-web within a [`ServiceLayer`].
#[derive(Debug)]
pub struct LayeredService<S> {
    inner: Rc<S>,
    settings: Arc<Settings>,
}

impl<S, B> Service<ServiceRequest> for LayeredService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, settings) = (self.inner.clone(), self.settings.clone());
        Box::pin(async move { serve(&*inner, request, &settings).await })
    }
}

async fn serve<S, B>(
    inner: &S,
    mut request: ServiceRequest,
    settings: &Settings,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let in_flight = InFlight::begin(
        settings,
        Head {
            method: request.method().as_str(),
            path: request.path(),
            route: request.match_pattern().map(known_route).map(Cow::Owned),
            headers: request.headers(),
        },
    );
    request.extensions_mut().insert(in_flight.mark());
    request.extensions_mut().insert(settings.body_limit);
    if in_flight.looks_like_command() {
        let payload = watched(request.take_payload(), in_flight.mark());
        request.set_payload(payload);
    }
    // Called inside, so that a panic of `call` itself is caught and the context is there for it too.
    let handler = async { inner.call(request).await };
    let error = match in_flight.run(handler).await {
        Ok(Ok(response)) => {
            let (request, response) = response.into_parts();
            let response = conclude(in_flight, response, Some(&request));
            return Ok(ServiceResponse::new(request, response));
        }
        Ok(Err(error)) => error,
        Err(error) => error.into(),
    };
    // The request went with the handler, and without it there is no `ServiceResponse`.
    let what = error.to_string();
    let response = conclude(in_flight, HttpResponse::from_error(error), None);
    Err(InternalError::from_response(what, response.map_into_boxed_body()).into())
}

fn conclude<B: MessageBody>(
    in_flight: InFlight,
    mut response: HttpResponse<B>,
    request: Option<&HttpRequest>,
) -> HttpResponse<EitherBody<B>> {
    let found = look_into(&response, request);
    if let Answer::Error(error) = &found {
        // An extractor of actix-web may have chosen another.
        *response.status_mut() = status_of(error.http_status(), response.status());
    }
    let conclusion = in_flight.conclude(response.status().as_u16(), found);
    let mut response = match conclusion.rendered {
        None => response.map_into_left_body(),
        Some(rendered) => {
            let headers = response.headers_mut();
            headers.remove(header::CONTENT_LENGTH);
            let content_type = HeaderValue::from_static(rendered.content_type);
            headers.insert(header::CONTENT_TYPE, content_type);
            response.map_body(|_, _| EitherBody::right(BoxBody::new(rendered.body)))
        }
    };
    if let Ok(id) = HeaderValue::from_str(&conclusion.request_id) {
        let name = HeaderName::from_static(headers::REQUEST_ID);
        response.headers_mut().insert(name, id);
    }
    response
}

fn status_of(status: u16, otherwise: StatusCode) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(otherwise)
}

fn look_into<B: MessageBody>(response: &HttpResponse<B>, request: Option<&HttpRequest>) -> Answer {
    if let Some(error) = response.error() {
        return service_error(error, request)
            .or_else(|| said_aloud(error, response))
            .map_or(Answer::Own, Answer::Error);
    }
    let is_empty = matches!(response.body().size(), BodySize::None | BodySize::Sized(0));
    if is_empty && !response.headers().contains_key(header::CONTENT_TYPE) {
        return Answer::Bare;
    }
    Answer::Own
}

/// actix-web answers an error that has no answer of its own with its message. That of a failure inside is for the log.
fn said_aloud<B>(error: &Error, response: &HttpResponse<B>) -> Option<ServiceError> {
    let content_type = response.headers().text(header::CONTENT_TYPE.as_str());
    if !response.status().is_server_error() || !content_type?.starts_with("text/plain") {
        return None;
    }
    let kind = ErrorKind::from_http_status(response.status().as_u16())?;
    Some(ServiceError::new(kind, ErrorDetail::default()).with_source(error.to_string()))
}
