use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::body::whole_millis;
use crate::{Effect, ErrorKind, Origin, ServiceError, Violation};

/// The media type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// An error as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details: what REST
/// routes answer.
///
/// `type` stays `about:blank`, as the RFC asks for where the title is that of the status; the
/// extension member `code` tells the kinds apart. Reading is lenient: a member of the wrong type
/// counts as absent (section 3.1 of the RFC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(description = "What went wrong, as problem details of RFC 9457.")
)]
#[cfg_attr(
    feature = "utoipa",
    derive(utoipa::ToSchema),
    schema(description = "What went wrong, as problem details of RFC 9457.")
)]
pub struct Problem {
    /// A URI for the type of problem.
    #[serde(
        rename = "type",
        default = "about_blank",
        deserialize_with = "string_or_blank"
    )]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub type_: String,
    /// A phrase for the type of problem.
    #[serde(default, deserialize_with = "lenient")]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub title: String,
    /// The HTTP status.
    #[serde(default, deserialize_with = "lenient")]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub status: u16,
    /// What failed, fit for the eyes of the caller.
    #[serde(default, deserialize_with = "lenient")]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub detail: String,
    /// The id of the request, where one is known.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub instance: Option<String>,
    /// The kind's code, perhaps refined.
    #[serde(default, deserialize_with = "lenient")]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub code: String,
    /// Whether the failure may pass by itself.
    #[serde(default, deserialize_with = "lenient")]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub retryable: bool,
    /// How long to wait before the next attempt, in milliseconds.
    #[serde(default, deserialize_with = "lenient")]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub retry_after_ms: Option<u64>,
    /// The rules that the request breaks.
    #[serde(default, deserialize_with = "lenient")]
    #[cfg_attr(feature = "utoipa", schema(required))]
    pub violations: Vec<Violation>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

fn string_or_blank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        _ => about_blank(),
    })
}

impl From<&ServiceError> for Problem {
    /// Redacts: the message and the violations of an internal kind and all causes stay behind.
    fn from(error: &ServiceError) -> Self {
        Self {
            type_: about_blank(),
            title: error.kind().phrase().to_owned(),
            status: error.http_status(),
            detail: error.public_message().to_owned(),
            instance: None,
            code: error.code().to_owned(),
            retryable: error.is_retryable_by_peers(),
            retry_after_ms: error.retry_after().map(whole_millis),
            violations: error.public_violations().to_vec(),
        }
    }
}

impl Problem {
    /// Names the request that failed.
    #[must_use]
    pub fn with_instance(mut self, request_id: impl Into<String>) -> Self {
        self.instance = Some(request_id.into());
        self
    }

    /// The error that a peer meant with an answer of HTTP `status`; `None` where neither the code
    /// nor the status names a kind.
    ///
    /// Where the code is not ours the status alone decides, and 502, 503 and 504 count as the word of a
    /// proxy: origin [`Origin::Transport`]. What a foreign peer says in words is the error's source, for the log alone.
    #[must_use]
    pub fn into_error(self, status: u16) -> Option<ServiceError> {
        let Some(kind) = ErrorKind::from_code(&self.code) else {
            let error = ServiceError::from_http_status(status)?;
            return Some(if self.detail.is_empty() {
                error
            } else {
                error.with_source(self.detail)
            });
        };
        let mut error = ServiceError::new(kind, self.detail)
            .with_origin(Origin::Remote)
            .with_retryable(self.retryable);
        if let Some((_, reason)) = self.code.split_once('.') {
            error = error.with_reason(reason);
        }
        if let Some(millis) = self.retry_after_ms {
            error = error.with_retry_after(std::time::Duration::from_millis(millis));
        }
        for violation in self.violations {
            error = error.with_violation(violation);
        }
        Some(error)
    }
}

impl ServiceError {
    /// The error behind an HTTP status that came without a body of ours; `None` below 400.
    ///
    /// 502, 503 and 504 are the word of a proxy: origin [`Origin::Transport`]. The effect is always unknown: not even
    /// a bare 429 says that no handler ran.
    #[must_use]
    pub fn from_http_status(status: u16) -> Option<Self> {
        let kind = ErrorKind::from_http_status(status)?;
        let origin = if matches!(status, 502..=504) {
            Origin::Transport
        } else {
            Origin::Remote
        };
        Some(
            Self::new(kind, format!("status {status}"))
                .with_origin(origin)
                .with_effect(Effect::Unknown),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chain;

    #[test]
    fn a_problem_has_the_members_of_the_wire_contract() {
        let error = ServiceError::RateLimited("feed".into())
            .with_retry_after(std::time::Duration::from_micros(1500));
        let problem = Problem::from(&error).with_instance("req-1");
        insta::assert_json_snapshot!(problem, @r#"
        {
          "type": "about:blank",
          "title": "too many requests",
          "status": 429,
          "detail": "feed",
          "instance": "req-1",
          "code": "rate_limited",
          "retryable": true,
          "retry_after_ms": 2,
          "violations": []
        }
        "#);
    }

    #[test]
    fn members_of_the_wrong_type_count_as_absent() {
        let json = r#"{"type":7,"title":[],"status":"x","detail":{},"code":1,"violations":"no"}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        assert_eq!(problem.type_, "about:blank");
        let error = problem.into_error(404).unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn the_words_of_a_foreign_peer_are_for_the_log_alone() {
        let json = r#"{"code":"E17","detail":"10.0.0.7:8084 refused"}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        let error = problem.into_error(503).unwrap();
        assert_eq!(error.public_message(), "status 503");
        assert_eq!(
            Chain(&error).to_string(),
            "status 503: 10.0.0.7:8084 refused"
        );
    }

    #[test]
    fn a_bare_503_comes_from_a_proxy_and_says_nothing_of_the_effect() {
        let error = ServiceError::from_http_status(503).unwrap();
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
        assert_eq!(error.origin(), Origin::Transport);
        assert!(!error.is_safe_to_retry(false));
        assert!(ServiceError::from_http_status(204).is_none());
    }
}
