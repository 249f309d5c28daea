use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use nova_errors::{Effect, ErrorKind, ServiceError};
use nova_models::CommandResponse;
use serde_json::value::RawValue;

use super::StoredAnswer;
use crate::json::not_encoded;

/// What the handler's answer says of the command, and the answer itself; `None` where a repeated command is to run again.
///
/// `started` says whether the handler had the command.
pub(super) async fn read(
    response: Response,
    started: bool,
    max_answer: usize,
) -> (Option<StoredAnswer>, Response) {
    let status = response.status();
    if let Some(error) = response.extensions().get::<ServiceError>() {
        let is_kept = !error.is_retryable() && (started || error.effect() != Effect::None);
        let answer = is_kept.then(|| StoredAnswer::bounded_failure(status, error, max_answer));
        return (answer, response);
    }
    if let Some(kind) = ErrorKind::from_http_status(status.as_u16()) {
        let error = ServiceError::new(kind, kind.phrase());
        let answer = (!kind.is_retryable()).then(|| StoredAnswer::failure(status, &error));
        return (answer, response);
    }
    let is_small = response
        .body()
        .size_hint()
        .exact()
        .is_some_and(|size| size <= u64::try_from(max_answer).unwrap_or(u64::MAX));
    if !is_small {
        tracing::warn!(
            max_answer,
            "the answer of a command is too large to be kept"
        );
        return (Some(StoredAnswer::unkept()), response);
    }
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(broken) => {
            let error = not_encoded(broken);
            let response = error.clone().into_response();
            let answer = StoredAnswer::failure(response.status(), &error);
            return (Some(answer), response);
        }
    };
    let answer = match serde_json::from_slice::<CommandResponse<Box<RawValue>>>(&body) {
        Ok(envelope) if envelope.success => {
            let data = envelope.data.unwrap_or_else(|| RawValue::NULL.to_owned());
            Some(StoredAnswer::reply(status, data))
        }
        // A failure, whatever its status says.
        Ok(envelope) => match envelope.into_result(status.as_u16()) {
            Err(error) if error.is_retryable() => None,
            Err(error) => Some(StoredAnswer::failure(status, &error)),
            Ok(_) => Some(StoredAnswer::unkept()),
        },
        Err(_) => {
            tracing::warn!("the answer of a command is no envelope, and cannot be kept");
            Some(StoredAnswer::unkept())
        }
    };
    (answer, Response::from_parts(parts, Body::from(body)))
}
