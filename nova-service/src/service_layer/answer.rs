use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use nova_errors::{
    Chain, Effect, ErrorDetail, ErrorKind, PROBLEM_CONTENT_TYPE, Problem, ServiceError,
};
use nova_models::{CommandResponse, RequestId};
use serde::Serialize;

/// The error that an answer stands for, taken out of it; `None` for one that stays as it is.
///
/// An error status without a body says too little, so it gets one. An error status with a body is somebody's own answer.
pub(super) fn take_error(response: &mut Response, has_route: bool) -> Option<ServiceError> {
    if let Some(error) = response.extensions_mut().remove() {
        return Some(error);
    }
    let status = response.status();
    let is_bare = response.body().size_hint().exact() == Some(0)
        && !response.headers().contains_key(header::CONTENT_TYPE);
    if !is_bare {
        return None;
    }
    let kind = ErrorKind::from_http_status(status.as_u16())?;
    let detail: ErrorDetail = match status {
        StatusCode::NOT_FOUND if !has_route => "no such route".into(),
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed".into(),
        _ => ErrorDetail::default(),
    };
    let error = ServiceError::new(kind, detail);
    if has_route && status != StatusCode::METHOD_NOT_ALLOWED {
        return Some(error);
    }
    Some(error.with_effect(Effect::None))
}

/// Logs an error, once.
pub(super) fn log(error: &ServiceError, status: StatusCode) {
    let (code, status) = (error.code(), status.as_u16());
    if status >= 500 {
        tracing::error!(code, status, error = %Chain(error), "request failed");
    } else {
        tracing::info!(code, status, error = %Chain(error), "request refused");
    }
}

/// Puts the error into the answer, in place of its body; status and other headers stay.
pub(super) fn render(
    response: &mut Response,
    error: &ServiceError,
    request_id: &RequestId,
    is_command: bool,
) {
    if is_command {
        let envelope = CommandResponse::<()>::failure(request_id.clone(), error);
        set_body(response, &envelope, "application/json");
    } else {
        let mut problem = Problem::from(error).with_instance(request_id.as_str());
        problem.status = response.status().as_u16();
        set_body(response, &problem, PROBLEM_CONTENT_TYPE);
    }
}

fn set_body(response: &mut Response, body: &impl Serialize, content_type: &'static str) {
    // Neither of the two bodies holds what JSON cannot.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    *response.body_mut() = Body::from(body);
}
