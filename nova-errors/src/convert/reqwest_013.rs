use std::error::Error as _;

use crate::{Effect, Origin, ServiceError};

impl From<reqwest::Error> for ServiceError {
    /// A connection that never came about has no effect; after that everything is possible. The
    /// URL is left out of the cause: it may hold credentials.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let converted = if error.is_builder() {
            return Self::Validation("build request".into())
                .with_effect(Effect::None)
                .with_source(error);
        } else if error.is_connect() {
            let kind = if error.is_timeout() {
                Self::Timeout("connect".into())
            } else {
                Self::ServiceUnavailable("connect".into())
            };
            kind.with_effect(Effect::None)
        } else if error.is_timeout() {
            Self::Timeout("wait for the answer".into())
        } else if refused_stream(&error) {
            Self::ServiceUnavailable("stream refused".into()).with_effect(Effect::None)
        } else if error.is_decode() {
            Self::Upstream("decode the answer".into())
        } else if let Some(status) = error.status() {
            Self::from_http_status(status.as_u16())
                .unwrap_or_else(|| Self::Upstream("unexpected status".into()))
        } else {
            Self::ServiceUnavailable("exchange with the server".into())
        };
        converted.with_origin(Origin::Transport).with_source(error)
    }
}

/// Whether an HTTP/2 server refused the stream before it looked at the request (RFC 9113, section 8.7).
fn refused_stream(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            return h2.reason() == Some(h2::Reason::REFUSED_STREAM) && h2.is_remote();
        }
        cause = inner.source();
    }
    false
}
