use axum::response::IntoResponse;
use nova_errors::{ErrorBody, ServiceError};
use tonic::Status;
use tonic::codegen::http::HeaderMap;

/// An answer as it goes over the wire.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// What axum sends.
pub(crate) async fn axum(error: &ServiceError) -> Answer {
    let (parts, body) = error.clone().into_response().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        head: head(parts.headers.iter()),
        body: body.to_vec(),
    }
}

/// What actix-web sends of what a handler returns as its error.
pub(crate) async fn actix(error: &ServiceError) -> Answer {
    let response = actix_web::HttpResponse::from_error(error.clone());
    let status = response.status().as_u16();
    let head = head(response.headers().iter());
    let body = actix_web::body::to_bytes(response.into_body())
        .await
        .unwrap();
    Answer {
        status,
        head,
        body: body.to_vec(),
    }
}

/// What a command's envelope holds.
pub(crate) fn envelope(error: &ServiceError) -> Answer {
    Answer {
        status: error.http_status(),
        head: Vec::new(),
        body: serde_json::to_vec(&ErrorBody::from(error)).unwrap(),
    }
}

/// The trailers that a gRPC server sends.
pub(crate) fn trailers(error: &ServiceError) -> HeaderMap {
    let response = Status::from(error).into_http::<()>();
    response.headers().clone()
}

/// The names and values of headers, a line each.
pub(crate) fn head<'a, N: AsRef<str>, V: AsRef<[u8]> + 'a>(
    headers: impl Iterator<Item = (N, &'a V)>,
) -> Vec<u8> {
    headers
        .flat_map(|(name, value)| [name.as_ref().as_bytes(), b": ", value.as_ref(), b"\n"].concat())
        .collect()
}
