use std::collections::HashMap;
use std::error::Error as _;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{Effect, ErrorDetail, ErrorKind, GrpcCode, Origin, ServiceError, Violation};

/// The `domain` of the `google.rpc.ErrorInfo` that the family's services send.
pub const ERROR_DOMAIN: &str = "nova";

impl From<&ServiceError> for Status {
    /// The kind's gRPC code with `ErrorInfo` (reason = code, domain = [`ERROR_DOMAIN`]), `RetryInfo` and `BadRequest`.
    /// Redacts: the message and the violations of an internal kind and all causes stay behind.
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
        for violation in error.public_violations() {
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
    /// By the code in `ErrorInfo` where the domain is ours, else by the gRPC code alone: what a foreign peer or a proxy
    /// says in words is in the source.
    ///
    /// A status that has a cause of its own was made in this process: the connection failed, or the client's own
    /// time-out struck. tonic shows a time-out as `CANCELLED`, the client's as well as the server's; both are a `Timeout` here.
    fn from(status: Status) -> Self {
        if status.source().is_some() {
            return from_transport(status);
        }
        let details = status.get_error_details();
        let ours = details
            .error_info()
            .filter(|info| info.domain == ERROR_DOMAIN)
            .and_then(|info| Some((ErrorKind::from_code(&info.reason)?, info)));
        let mut error = match ours {
            Some((kind, info)) => {
                let mut error = Self::new(kind, status.message().to_owned());
                for violation in details
                    .bad_request()
                    .iter()
                    .flat_map(|it| &it.field_violations)
                {
                    error = error
                        .with_violation(Violation::new(&violation.field, &violation.description));
                }
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
            None if is_server_time_out(&status) => Self::Timeout(ErrorDetail::default()),
            None => Self::new(kind_of(status.code()), ErrorDetail::default()),
        };
        if let Some(after) = details.retry_info().and_then(|info| info.retry_delay) {
            error = error.with_retry_after(after);
        }
        error.with_origin(Origin::Remote).with_source(status)
    }
}

/// The kind of a code that came without details of ours. `OK` is no failure: a peer that sends it
/// as one breaks the protocol.
fn kind_of(code: Code) -> ErrorKind {
    ErrorKind::from_grpc_code(GrpcCode::from_number(code as i32)).unwrap_or(ErrorKind::Upstream)
}

/// tonic's server sends its own time-out without details: the message is all that tells it from a cancellation.
fn is_server_time_out(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == tonic::TimeoutExpired(()).to_string()
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
    use crate::Chain;
    use proptest::prelude::*;
    use std::time::Duration;

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
            prop_assert_eq!(back.violations(), error.public_violations());
            prop_assert_eq!(back.public_message(), error.public_message());
        }
    }

    #[test]
    fn what_is_internal_is_not_in_the_bytes_of_the_status() {
        let error = ServiceError::Internal("password is hunter2".into())
            .with_violation(Violation::new("db", "hunter2"))
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
    fn the_words_of_a_foreign_peer_are_for_the_log_alone() {
        let text = "upstream connect error 10.0.0.7:8084";
        let mut details = ErrorDetails::with_error_info("DOWN", "proxy.example", HashMap::new());
        details.add_bad_request_violation("pool", text);
        let statuses = [
            Status::unavailable(text),
            Status::with_error_details(Code::Unavailable, text, details),
        ];
        for status in statuses {
            let error = ServiceError::from(status);
            assert_eq!(
                error.public_message(),
                ErrorKind::ServiceUnavailable.phrase()
            );
            assert_eq!(error.public_violations(), []);
            let chain = Chain(&error).to_string();
            assert!(chain.contains(text), "{chain}");
        }
    }

    #[test]
    fn a_time_out_of_the_server_is_a_timeout_and_a_cancellation_is_not() {
        let status = Status::cancelled(tonic::TimeoutExpired(()).to_string());
        assert_eq!(ServiceError::from(status).kind(), ErrorKind::Timeout);
        let status = Status::cancelled("the user left");
        assert_eq!(ServiceError::from(status).kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn a_time_out_of_the_client_is_a_timeout() {
        let status = Status::from_error(Box::new(tonic::TimeoutExpired(())));
        assert_eq!(ServiceError::from(status).kind(), ErrorKind::Timeout);
    }
}
