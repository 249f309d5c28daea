use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Effect, ErrorKind, Origin, ServiceError, Violation};

/// The `error` object of a failed command's envelope.
///
/// ```
/// use nova_errors::{ErrorBody, ServiceError};
///
/// let body = ErrorBody::from(&ServiceError::NotFound("stream 42".into()));
/// assert_eq!(
///     serde_json::to_string(&body)?,
///     r#"{"code":"not_found","message":"stream 42","retryable":false,"effect":"unknown","retry_after_ms":null,"violations":[]}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(description = "What went wrong with a command.")
)]
#[cfg_attr(
    feature = "utoipa",
    derive(utoipa::ToSchema),
    schema(description = "What went wrong with a command.")
)]
pub struct ErrorBody {
    /// The kind's code, perhaps refined: `conflict.username_taken`.
    pub code: String,
    /// What failed, fit for the eyes of the caller.
    #[serde(default)]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub message: String,
    /// Whether the failure may pass by itself.
    #[serde(default)]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub retryable: bool,
    /// `none` where the request cannot have taken effect, else `unknown`.
    #[serde(default)]
    #[cfg_attr(feature = "schemars", schemars(extend("examples" = ["none", "unknown"])))]
    #[cfg_attr(feature = "utoipa", schema(required, examples("none", "unknown")))]
    pub effect: String,
    /// How long to wait before the next attempt, in milliseconds.
    #[serde(default)]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub retry_after_ms: Option<u64>,
    /// The rules that the request breaks.
    #[serde(default)]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub violations: Vec<Violation>,
}

/// An error object whose `code` no kind claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseErrorBody(String);

impl fmt::Display for ParseErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown error code {:?}", self.0)
    }
}

impl std::error::Error for ParseErrorBody {}

/// A duration in whole milliseconds, rounded up: a client that waits must not come too early.
pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl From<&ServiceError> for ErrorBody {
    /// Redacts: the message and the violations of an internal kind and all causes stay behind.
    fn from(error: &ServiceError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.public_message().to_owned(),
            retryable: error.is_retryable_by_peers(),
            effect: error.effect().as_str().to_owned(),
            retry_after_ms: error.retry_after().map(whole_millis),
            violations: error.public_violations().to_vec(),
        }
    }
}

impl ErrorBody {
    /// The error that the peer meant, with origin [`Origin::Remote`].
    ///
    /// `status` is the HTTP status of the answer: it decides where the code is one that this
    /// version does not know.
    ///
    /// # Errors
    ///
    /// [`ParseErrorBody`] where neither the code nor the status names a kind.
    pub fn into_error(self, status: u16) -> Result<ServiceError, ParseErrorBody> {
        let Some(kind) =
            ErrorKind::from_code(&self.code).or_else(|| ErrorKind::from_http_status(status))
        else {
            return Err(ParseErrorBody(self.code));
        };
        let mut error = ServiceError::new(kind, self.message)
            .with_origin(Origin::Remote)
            .with_effect(Effect::from_word(&self.effect))
            .with_retryable(self.retryable);
        if let Some((_, reason)) = self.code.split_once('.') {
            error = error.with_reason(reason);
        }
        if let Some(millis) = self.retry_after_ms {
            error = error.with_retry_after(Duration::from_millis(millis));
        }
        for violation in self.violations {
            error = error.with_violation(violation);
        }
        Ok(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_from_a_later_version_is_read_by_its_status() {
        let body: ErrorBody = serde_json::from_str(r#"{"code":"teapot"}"#).unwrap();
        assert_eq!(
            body.clone().into_error(404).unwrap().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            body.into_error(200).unwrap_err().to_string(),
            r#"unknown error code "teapot""#
        );
    }
}
