use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use nova_errors::{Origin, PROBLEM_CONTENT_TYPE, Problem, ServiceError};
use nova_models::{CommandResponse, RequestId};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::retry_after;
use crate::wall_clock::WallClock;

/// The longest message of a peer's error that is kept, in bytes.
const MAX_MESSAGE: usize = 1024;

/// The reply, or what the answer says went wrong.
///
/// A success must be an envelope of ours. A failure is read as an envelope, as problem details, or by its status alone: a proxy answers
/// in the service's place.
pub(super) fn read<T: DeserializeOwned>(
    response: &Response<Bytes>,
    request_id: &RequestId,
    clock: &WallClock,
) -> Result<T, ServiceError> {
    let status = response.status();
    let error = if status.is_success() {
        match read_success(response, request_id) {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        }
    } else if status.is_client_error() || status.is_server_error() {
        read_failure(response, request_id)
    } else if status.is_redirection() {
        broken("a redirect, which is not followed")
    } else {
        broken("a status that is no answer")
    };
    let error = bounded(error);
    Err(match retry_after::read(response.headers(), clock) {
        // What the envelope says is finer.
        Some(after) if error.retry_after().is_none() => error.with_retry_after(after),
        _ => error,
    })
}

fn read_success<T: DeserializeOwned>(
    response: &Response<Bytes>,
    request_id: &RequestId,
) -> Result<T, ServiceError> {
    let envelope: CommandResponse<T> = serde_json::from_slice(response.body())
        .map_err(|error| broken("a success without a readable envelope").with_source(error))?;
    check_id(&envelope, request_id)?;
    envelope.into_result(response.status().as_u16())
}

fn read_failure(response: &Response<Bytes>, request_id: &RequestId) -> ServiceError {
    let status = response.status().as_u16();
    if let Ok(envelope) = serde_json::from_slice::<CommandResponse<IgnoredAny>>(response.body()) {
        if let Err(error) = check_id(&envelope, request_id) {
            return error;
        }
        return match envelope.into_result(status) {
            Ok(IgnoredAny) => broken("a failed status with the envelope of a success"),
            Err(error) => error,
        };
    }
    is_problem(response.headers())
        .then(|| serde_json::from_slice::<Problem>(response.body()).ok())
        .flatten()
        .and_then(|problem| problem.into_error(status))
        .or_else(|| ServiceError::from_http_status(status))
        .unwrap_or_else(|| broken("a status that is no answer"))
}

/// An answer to another request is nobody's: a proxy or a connection got mixed up.
fn check_id<T>(envelope: &CommandResponse<T>, request_id: &RequestId) -> Result<(), ServiceError> {
    if envelope.request_id == *request_id {
        return Ok(());
    }
    Err(broken("the answer to another request"))
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case(PROBLEM_CONTENT_TYPE))
}

fn broken(what: &'static str) -> ServiceError {
    ServiceError::Upstream(what.into()).with_origin(Origin::Remote)
}

/// Cuts a message that would flood logs and answers.
fn bounded(error: ServiceError) -> ServiceError {
    let cut = error
        .detail()
        .message()
        .filter(|message| message.len() > MAX_MESSAGE)
        .and_then(|message| message.get(..message.floor_char_boundary(MAX_MESSAGE)))
        .map(str::to_owned);
    match cut {
        Some(message) => error.with_message(message),
        None => error,
    }
}
