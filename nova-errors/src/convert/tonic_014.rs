use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{Effect, ErrorKind, GrpcCode, Origin, ServiceError, Violation};

/// The `domain` of the `google.rpc.ErrorInfo` that the family's services send.
pub const ERROR_DOMAIN: &str = "nova";

impl From<&ServiceError> for Status {
    /// The kind's gRPC code with `ErrorInfo` (reason = code, domain = [`ERROR_DOMAIN`]), `RetryInfo` and `BadRequest`.
    /// Redacts: the message of an internal kind and all causes stay behind.
    fn from(error: &ServiceError) -> Self {
        let metadata = HashMap::from([
            ("effect".to_owned(), error.effect().as_str().to_owned()),
            (
                "retryable".to_owned(),
                error.is_retryable_by_peers().to_string(),
            ),
        ]);
        let mut details = ErrorDetails::with_error_info(error.code(), ERROR_DOMAIN, metadata);
        if let Some(after) = error.retry_after() {
            details.set_retry_info(Some(after));
        }
        for violation in error.violations() {
            details.add_bad_request_violation(&violation.field, &violation.message);
        }
        let code = Code::from_i32(error.kind().grpc_code().number());
        Self::with_error_details(code, error.public_message(), details)
    }
}

impl From<ServiceError> for Status {
    fn from(error: ServiceError) -> Self {
        Self::from(&error)
    }
}

impl From<Status> for ServiceError {
    /// By the code in `ErrorInfo` where the domain is ours, else by the gRPC code.
    ///
    /// A status that has a cause of its own was made in this process: the connection failed, or the client's own
    /// time-out struck, which tonic shows as `CANCELLED` and which is a `Timeout` here.
    fn from(status: Status) -> Self {
        if status.source().is_some() {
            return from_transport(status);
        }
        let details = status.get_error_details();
        let ours = details
            .error_info()
            .filter(|info| info.domain == ERROR_DOMAIN)
            .and_then(|info| Some((ErrorKind::from_code(&info.reason)?, info)));
        let message = status.message().to_owned();
        let mut error = match ours {
            Some((kind, info)) => {
                let mut error = Self::new(kind, message);
                if let Some((_, reason)) = info.reason.split_once('.') {
                    error = error.with_reason(reason);
                }
                if let Some(effect) = info.metadata.get("effect") {
                    error = error.with_effect(Effect::from_word(effect));
                }
                match info.metadata.get("retryable").map(String::as_str) {
                    Some("true") => error.with_retryable(true),
                    Some("false") => error.with_retryable(false),
                    _ => error,
                }
            }
            None => Self::new(kind_of(status.code()), message),
        };
        if let Some(after) = details.retry_info().and_then(|info| info.retry_delay) {
            error = error.with_retry_after(after.min(Duration::MAX));
        }
        if let Some(bad_request) = details.bad_request() {
            for violation in &bad_request.field_violations {
                error =
                    error.with_violation(Violation::new(&violation.field, &violation.description));
            }
        }
        error.with_origin(Origin::Remote).with_source(status)
    }
}

/// The kind of a code that came without details of ours. `OK` is no failure: a peer that sends it
/// as one breaks the protocol.
fn kind_of(code: Code) -> ErrorKind {
    ErrorKind::from_grpc_code(GrpcCode::from_number(code as i32)).unwrap_or(ErrorKind::Upstream)
}

fn from_transport(status: Status) -> ServiceError {
    let mut timed_out = status.code() == Code::DeadlineExceeded;
    let mut connecting = false;
    let mut cause = status.source();
    while let Some(error) = cause {
        timed_out |= error.is::<tonic::TimeoutExpired>();
        connecting |= error.is::<tonic::ConnectError>();
        cause = error.source();
    }
    let error = if timed_out {
        ServiceError::Timeout("gRPC call".into())
    } else if connecting {
        ServiceError::ServiceUnavailable("connect".into()).with_effect(Effect::None)
    } else if kind_of(status.code()) == ErrorKind::Internal {
        ServiceError::Upstream("gRPC call".into())
    } else {
        // Without an answer of the service the code is the transport's guess: a connection that
        // broke reads as CANCELLED or UNKNOWN.
        ServiceError::ServiceUnavailable("gRPC call".into())
    };
    error.with_origin(Origin::Transport).with_source(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kind_survives_grpc(
            kind in proptest::sample::select(ErrorKind::ALL.to_vec()),
            message in ".*",
            field in ".*",
            retryable: bool,
            after in proptest::option::of(0_u64..1_000_000),
        ) {
            let mut error = ServiceError::new(kind, message)
                .with_effect(Effect::None)
                .with_retryable(retryable)
                .with_violation(Violation::new(field, "expected something else"));
            if let Some(after) = after {
                error = error.with_retry_after(Duration::from_millis(after));
            }
            let back = ServiceError::from(Status::from(&error));
            prop_assert_eq!(back.kind(), kind);
            prop_assert_eq!(back.is_retryable(), retryable);
            prop_assert_eq!(back.effect(), Effect::None);
            prop_assert_eq!(back.retry_after(), error.retry_after());
            prop_assert_eq!(back.violations(), error.violations());
            prop_assert_eq!(back.public_message(), error.public_message());
        }
    }

    #[test]
    fn what_is_internal_is_not_in_the_bytes_of_the_status() {
        let error = ServiceError::Internal("password is hunter2".into())
            .with_source(std::io::Error::other("10.0.0.7 refused"));
        let status = Status::from(&error);
        let bytes = [status.message().as_bytes(), status.details()].concat();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("internal"), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains("10.0.0.7"),
            "{text}"
        );
    }

    #[test]
    fn a_foreign_status_is_read_by_its_code() {
        let error = ServiceError::from(Status::unavailable("away"));
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
        assert_eq!(error.origin(), Origin::Remote);
        assert_eq!(error.effect(), Effect::Unknown);
    }

    #[test]
    fn a_time_out_of_the_client_is_a_timeout() {
        let status = Status::from_error(Box::new(tonic::TimeoutExpired(())));
        assert_eq!(ServiceError::from(status).kind(), ErrorKind::Timeout);
    }
}
