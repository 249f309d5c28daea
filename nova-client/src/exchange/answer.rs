use std::borrow::Cow;
use std::error::Error;

use bytes::Bytes;
use chrono::DateTime;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use nova_errors::{Origin, PROBLEM_CONTENT_TYPE, Problem, ServiceError, Violation};
use nova_models::{CommandResponse, RequestId, ResponseError};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::retry_after;
use crate::wall_clock::WallClock;

/// The longest message of a peer's error that is kept, in bytes; the cause and each violation are held to it as well.
const MAX_MESSAGE: usize = 1024;

/// The most violations of a peer's error that are kept.
const MAX_VIOLATIONS: usize = 100;

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
    let unreadable = || broken("a success without a readable envelope");
    // As a whole: what is skipped while reading JSON is not looked at.
    let text = str::from_utf8(response.body()).map_err(|error| unreadable().with_source(error))?;
    let envelope: Envelope<'_, T> =
        serde_json::from_str(text).map_err(|error| unreadable().with_source(error))?;
    envelope.into_result(request_id, response.status().as_u16())
}

fn read_failure(response: &Response<Bytes>, request_id: &RequestId) -> ServiceError {
    let status = response.status().as_u16();
    let text = str::from_utf8(response.body()).unwrap_or_default();
    if let Ok(envelope) = serde_json::from_str::<Envelope<'_, IgnoredAny>>(text) {
        return match envelope.into_result(request_id, status) {
            Ok(IgnoredAny) => broken("a failed status with the envelope of a success"),
            Err(error) => error,
        };
    }
    is_problem(response.headers())
        .then(|| serde_json::from_str::<Problem>(text).ok())
        .flatten()
        .and_then(|mut problem| {
            bound(&mut problem.violations);
            problem.into_error(status)
        })
        .or_else(|| ServiceError::from_http_status(status))
        .unwrap_or_else(|| broken("a status that is no answer"))
}

/// A [`CommandResponse`] as far as a client looks at it: not at the time when it was made, which takes longer to read than all else
/// around the reply.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Envelope<'a, T> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    success: bool,
    #[serde(default)]
    data: Option<T>,
    #[serde(default)]
    error: Option<ResponseError>,
}

impl<T: DeserializeOwned> Envelope<'_, T> {
    fn into_result(self, request_id: &RequestId, status: u16) -> Result<T, ServiceError> {
        // An answer to another request is nobody's: a proxy or a connection got mixed up.
        if self.request_id != request_id.as_str() {
            return Err(broken("the answer to another request"));
        }
        match self {
            Self {
                success: true,
                data: Some(data),
                error: None,
                ..
            } => Ok(data),
            mut other => {
                if let Some(ResponseError::Body(body)) = &mut other.error {
                    bound(&mut body.violations);
                }
                let response = CommandResponse {
                    request_id: request_id.clone(),
                    success: other.success,
                    data: other.data,
                    error: other.error,
                    timestamp: DateTime::UNIX_EPOCH,
                };
                response.into_result(status)
            }
        }
    }
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

/// Leaves out the violations that are too many or too long.
fn bound(violations: &mut Vec<Violation>) {
    violations.retain(|it| it.field.len() + it.message.len() <= MAX_MESSAGE);
    violations.truncate(MAX_VIOLATIONS);
}

/// Cuts what would flood logs and answers: the message, and the cause, which repeats what could not be read.
fn bounded(error: ServiceError) -> ServiceError {
    let message = error.detail().message().and_then(cut).map(str::to_owned);
    let cause = error.source().map(ToString::to_string);
    let cause = cause.as_deref().and_then(cut);
    let error = match message {
        Some(message) => error.with_message(message),
        None => error,
    };
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

/// The beginning of a text that is too long.
fn cut(text: &str) -> Option<&str> {
    if text.len() <= MAX_MESSAGE {
        return None;
    }
    text.get(..text.floor_char_boundary(MAX_MESSAGE))
}
