mod translation;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Method;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use axum::extract::Request;
use axum::http::Extensions;
use axum::response::{IntoResponse, Response};
use futures::future::LocalBoxFuture;
use http_body_util::BodyExt;
use nova_errors::{Effect, ServiceError};

use super::body::{mark_of, watched};
use super::rejection::service_error;
use crate::IdempotencyLayer;
use crate::idempotency::once;

impl<S, B> Transform<S, ServiceRequest> for IdempotencyLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = IdempotentService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(IdempotentService {
            inner: Rc::new(inner),
            layer: self.clone(),
        }))
    }
}

/// A service of actix-web within an [`IdempotencyLayer`].
#[derive(Debug)]
pub struct IdempotentService<S> {
    inner: Rc<S>,
    layer: IdempotencyLayer,
}

impl<S, B> Service<ServiceRequest> for IdempotentService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        Box::pin(async move {
            if request.method() == Method::POST {
                return serve(&*inner, request, &layer).await;
            }
            let response = inner.call(request).await?;
            Ok(response.map_into_boxed_body())
        })
    }
}

/// What the handler takes from outside of the layer and leaves there: the layer itself knows the types of axum alone.
struct Passage {
    request: Option<HttpRequest>,
    response: Option<ServiceResponse>,
}

async fn serve<S, B>(
    inner: &S,
    request: ServiceRequest,
    layer: &IdempotencyLayer,
) -> Result<ServiceResponse, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let (request, mut payload) = request.into_parts();
    let seen = match translation::request(&request, &mut payload).await {
        Ok(seen) => seen,
        Err(error) => {
            let refusal = HttpResponse::from_error(error.with_effect(Effect::None));
            return Ok(ServiceResponse::new(request, refusal));
        }
    };
    let passage = RefCell::new(Passage {
        request: Some(request),
        response: None,
    });
    let handler = tower::service_fn(|seen: Request| async {
        let answer = handle(inner, seen, &passage).await;
        Ok::<_, Infallible>(answer.unwrap_or_else(IntoResponse::into_response))
    });
    let answer = once(handler, seen, layer.settings()).await;

    let Passage { request, response } = passage.into_inner();
    let answer = match (answer, response) {
        (Ok(_), Some(its_own)) => return Ok(its_own),
        (Err(error), Some(its_own)) => return Ok(its_own.error_response(error)),
        (Ok(answer), None) => translation::response(answer).await,
        (Err(error), None) => HttpResponse::from_error(error),
    };
    match request {
        Some(request) => Ok(ServiceResponse::new(request, answer)),
        // It went with a handler that panicked or a middleware that failed; an error is all that is left to answer with.
        None => Err(
            match answer.error().and_then(|error| service_error(error, None)) {
                Some(error) => error.into(),
                None => ServiceError::Internal("the handler failed".into()).into(),
            },
        ),
    }
}

/// What the store gives the handler ([`CommandClaim::attach`](crate::CommandClaim::attach)), for extractors: it is in the request's extensions, and
/// a handler takes it as `web::ReqData<Attached>`.
#[derive(Debug, Clone, Default)]
pub struct Attached(pub Extensions);

/// Runs the handler, and tells what the layer has to know of its answer.
async fn handle<S, B>(
    inner: &S,
    seen: Request,
    passage: &RefCell<Passage>,
) -> Result<Response, ServiceError>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let failed = || ServiceError::Internal("the handler failed".into());
    let (head, body) = seen.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| failed().with_source(error))?;
    let request = passage.borrow_mut().request.take().ok_or_else(failed)?;
    request.extensions_mut().insert(Attached(head.extensions));
    let mark = mark_of(&request);
    mark.take_back();
    let payload = watched(Payload::from(body.to_bytes()), mark);
    let request = ServiceRequest::from_parts(request, payload);
    let response = inner.call(request).await.map_err(|error| {
        service_error(&error, None).unwrap_or_else(|| failed().with_source(error.to_string()))
    })?;
    let (request, response) = response.into_parts();
    let (response, shown) = translation::shown(response, &request).await?;
    passage.borrow_mut().response = Some(ServiceResponse::new(request, response));
    Ok(shown)
}
