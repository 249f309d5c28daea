use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use futures::stream;
use http_body_util::BodyExt;
use nova_errors::ServiceError;

use crate::BodyLimit;
use crate::actix::body::{mark_of, read_body};
use crate::actix::head::head_of;
use crate::actix::rejection::service_error;
use crate::command::{CommandMark, Envelope};

/// The request of a command in the types of axum, with its body read.
pub(super) async fn request(
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<Request, ServiceError> {
    let mark = mark_of(request);
    mark.set();
    request.extensions_mut().insert(mark.clone());
    // What is wrong with the head is said before the body is read.
    Envelope::expect(
        CommandMark::default(),
        request.headers(),
        request.uri().path(),
    )?;
    let body = read_body(request, payload).await?;
    head_of(request)
        .extension(mark)
        .extension(BodyLimit::bytes(body.len()))
        .body(Body::from(body))
        .map_err(not_translated)
}

/// The handler's answer, and how it shows in the types of axum.
pub(super) async fn shown<B: MessageBody + 'static>(
    response: HttpResponse<B>,
    request: &HttpRequest,
) -> Result<(HttpResponse, Response), ServiceError> {
    let mut shown = Response::builder().status(response.status().as_u16());
    let error = response.error();
    if let Some(error) = error.and_then(|error| service_error(error, Some(request))) {
        shown = shown.extension(error);
    }
    let (head, body) = response.into_parts();
    let (response, body) = match body.size() {
        // Its size is not known, and so neither is it kept.
        BodySize::Stream => (
            head.set_body(body.boxed()),
            Body::from_stream(stream::pending::<Result<Bytes, ServiceError>>()),
        ),
        BodySize::None | BodySize::Sized(_) => {
            let body = to_bytes(body)
                .await
                .map_err(|error| not_translated(error.into().to_string()))?;
            (head.set_body(BoxBody::new(body.clone())), Body::from(body))
        }
    };
    Ok((response, shown.body(body).map_err(not_translated)?))
}

/// An answer of the layer itself.
pub(super) async fn response(response: Response) -> HttpResponse {
    let (mut head, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return HttpResponse::from_error(not_translated(error)),
    };
    let mut response = match head.extensions.remove::<ServiceError>() {
        Some(error) => HttpResponse::from_error(error),
        None => HttpResponse::Ok().body(body),
    };
    if let Ok(status) = StatusCode::from_u16(head.status.as_u16()) {
        *response.status_mut() = status;
    }
    head.headers.remove(CONTENT_LENGTH);
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn not_translated(cause: impl Into<axum::BoxError>) -> ServiceError {
    ServiceError::Internal("between axum and actix-web".into()).with_source(cause)
}
