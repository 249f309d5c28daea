use actix_web::HttpRequest;
use axum::http::Request;
use axum::http::request::Builder;

/// The head of a request in the types of axum.
pub(super) fn head_of(request: &HttpRequest) -> Builder {
    let head = Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string());
    request.headers().iter().fold(head, |head, (name, value)| {
        head.header(name.as_str(), value.as_bytes())
    })
}
