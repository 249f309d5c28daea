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
pub struct ErrorBody {
    /// The kind's code, perhaps refined: `conflict.username_taken`.
    pub code: String,
    /// What failed, fit for the eyes of the caller.
    #[serde(default)]
    pub message: String,
    /// Whether the failure may pass by itself.
    #[serde(default)]
    pub retryable: bool,
    /// `none` where the request cannot have taken effect, else `unknown`.
    #[serde(default)]
    pub effect: String,
    /// How long to wait before the next attempt, in milliseconds.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// The rules that the request breaks.
    #[serde(default)]
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
    use proptest::prelude::*;

    fn any_kind() -> impl Strategy<Value = ErrorKind> {
        proptest::sample::select(ErrorKind::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn every_kind_survives_the_envelope(
            kind in any_kind(),
            message in ".*",
            retryable: bool,
            no_effect: bool,
            after in proptest::option::of(0_u64..1_000_000),
            field in ".*",
        ) {
            let effect = if no_effect { Effect::None } else { Effect::Unknown };
            let mut error = ServiceError::new(kind, message.clone())
                .with_retryable(retryable)
                .with_effect(effect)
                .with_violation(Violation::new(field, "expected something else"));
            if let Some(after) = after {
                error = error.with_retry_after(Duration::from_millis(after));
            }
            let json = serde_json::to_vec(&ErrorBody::from(&error))?;
            let body: ErrorBody = serde_json::from_slice(&json)?;
            let back = body.into_error(kind.http_status()).map_err(|e| TestCaseError::fail(e.to_string()))?;

            prop_assert_eq!(back.kind(), kind);
            prop_assert_eq!(back.is_retryable(), retryable);
            prop_assert_eq!(back.effect(), effect);
            prop_assert_eq!(back.retry_after(), error.retry_after());
            prop_assert_eq!(back.violations(), error.public_violations());
            prop_assert_eq!(back.public_message(), error.public_message());
            prop_assert_eq!(back.origin(), Origin::Remote);
        }
    }

    #[test]
    fn what_is_internal_stays_inside() {
        for kind in ErrorKind::ALL.into_iter().filter(|kind| kind.is_redacted()) {
            let error = ServiceError::new(kind, "password of db-7 is hunter2")
                .with_violation(Violation::new("db-7", "hunter2"))
                .with_source(std::io::Error::other("10.0.0.7 refused"));
            let json = serde_json::to_string(&ErrorBody::from(&error)).unwrap();
            assert!(json.contains("internal error"), "{json}");
            assert!(
                !json.contains("hunter2") && !json.contains("10.0.0.7"),
                "{json}"
            );
        }
    }

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
