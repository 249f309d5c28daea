use std::fmt;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use nova_errors::{Effect, ErrorBody, ServiceError};
use nova_models::{CommandResponse, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Json;

/// What a command came to: its reply, or the failure that will not pass. The envelope is not part of it, as that is each
/// request's own.
///
/// `Debug` shows no reply.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredAnswer(Kept);

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Reply {
        status: u16,
        data: Box<RawValue>,
    },
    Failure {
        status: u16,
        error: ErrorBody,
    },
    /// It took effect, and the reply is too large or of a form that cannot be kept.
    Unkept {},
}

impl StoredAnswer {
    /// A success with this reply.
    #[must_use]
    pub fn reply(status: StatusCode, data: Box<RawValue>) -> Self {
        let status = status.as_u16();
        Self(Kept::Reply { status, data })
    }

    /// A failure: what callers are told of it, and not its causes.
    #[must_use]
    pub fn failure(status: StatusCode, error: &ServiceError) -> Self {
        // That a call inside the handler had no effect says nothing of what the handler did.
        let error = error.clone().with_effect(Effect::Unknown);
        Self(Kept::Failure {
            status: status.as_u16(),
            error: ErrorBody::from(&error),
        })
    }

    /// A failure that takes at most `max` bytes: what is said of a longer one is left out.
    pub(super) fn bounded_failure(status: StatusCode, error: &ServiceError, max: usize) -> Self {
        let answer = Self::failure(status, error);
        if answer.to_json().is_ok_and(|json| json.len() <= max) {
            return answer;
        }
        let kind = error.kind();
        Self::failure(status, &ServiceError::new(kind, kind.phrase()))
    }

    /// A success whose reply is not kept: who repeats the command is told so.
    #[must_use]
    pub fn unkept() -> Self {
        Self(Kept::Unkept {})
    }

    /// Whether the command failed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self.0, Kept::Failure { .. })
    }

    /// The answer as JSON, to be stored.
    ///
    /// # Errors
    ///
    /// `Internal` where it cannot be written.
    pub fn to_json(&self) -> Result<String, ServiceError> {
        serde_json::to_string(self)
            .map_err(|error| ServiceError::Internal("write an answer".into()).with_source(error))
    }

    /// The answer that was stored.
    ///
    /// # Errors
    ///
    /// `DataLoss` where it is not what [`to_json`](Self::to_json) writes.
    pub fn from_json(json: &[u8]) -> Result<Self, ServiceError> {
        serde_json::from_slice(json)
            .map_err(|error| ServiceError::DataLoss("read an answer".into()).with_source(error))
    }

    /// The answer to `request_id`, a request that repeats the command.
    pub(super) fn replay(self, request_id: RequestId) -> Result<Response, ServiceError> {
        let (status, mut response) = match self.0 {
            Kept::Reply { status, data } => {
                let envelope = CommandResponse::ok(request_id, data);
                (Some(status), Json(envelope).into_response())
            }
            Kept::Failure { status, error } => {
                let error = error.into_error(status).map_err(|unknown| {
                    ServiceError::DataLoss("read an answer".into()).with_source(unknown)
                })?;
                (Some(status), error.into_response())
            }
            Kept::Unkept {} => {
                let error =
                    ServiceError::Conflict("it was done, and its answer is not kept".into());
                (None, error.with_reason("answer_not_kept").into_response())
            }
        };
        if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
            *response.status_mut() = status;
        }
        let replayed = HeaderName::from_static("idempotency-replayed");
        let headers = response.headers_mut();
        headers.insert(replayed, HeaderValue::from_static("true"));
        Ok(response)
    }
}

impl fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kept::Reply { status, .. } => write!(f, "StoredAnswer({status})"),
            Kept::Failure { status, error } => write!(f, "StoredAnswer({status} {})", error.code),
            Kept::Unkept {} => f.write_str("StoredAnswer(unkept)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(answer: &StoredAnswer) -> String {
        let json = answer.to_json().unwrap();
        let back = StoredAnswer::from_json(json.as_bytes()).unwrap();
        assert_eq!(back.to_json().unwrap(), json);
        json
    }

    #[test]
    fn a_reply_is_kept_as_it_was_written() {
        for data in [
            "null",
            "{\"b\":1.0,\"a\":12345678901234567890123}",
            "\"\\u0000\"",
        ] {
            let data = RawValue::from_string(data.to_owned()).unwrap();
            let answer = StoredAnswer::reply(StatusCode::CREATED, data.clone());
            assert_eq!(
                stored(&answer),
                format!(r#"{{"reply":{{"status":201,"data":{data}}}}}"#)
            );
            assert!(!answer.is_failure());
        }
    }

    #[test]
    fn a_failure_is_kept_without_what_stays_inside() {
        let error = ServiceError::Internal("password of db-7 is hunter2".into())
            .with_effect(Effect::None)
            .with_source(std::io::Error::other("10.0.0.7 refused"));
        let answer = StoredAnswer::failure(StatusCode::INTERNAL_SERVER_ERROR, &error);
        assert!(answer.is_failure());
        insta::assert_snapshot!(stored(&answer), @r#"{"failure":{"status":500,"error":{"code":"internal","message":"internal error","retryable":false,"effect":"unknown","retry_after_ms":null,"violations":[]}}}"#);
    }

    #[test]
    fn an_answer_that_is_not_kept_is_kept_as_such() {
        insta::assert_snapshot!(stored(&StoredAnswer::unkept()), @r#"{"unkept":{}}"#);
    }

    #[test]
    fn what_is_no_answer_is_lost_data() {
        for junk in ["", "{}", r#"{"reply":{}}"#, "null"] {
            let error = StoredAnswer::from_json(junk.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "data_loss", "{junk}");
        }
    }

    #[test]
    fn a_reply_does_not_show() {
        let data = RawValue::from_string("\"hunter2\"".to_owned()).unwrap();
        let answer = StoredAnswer::reply(StatusCode::OK, data);
        assert_eq!(format!("{answer:?}"), "StoredAnswer(200)");
    }
}
