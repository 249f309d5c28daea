use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, RetryInfo, RpcStatusExt as _, StatusExt, pb};

use super::refused_stream::is_refused_stream;
use crate::{Effect, ErrorDetail, ErrorKind, GrpcCode, Origin, ServiceError, Violation};

/// The `domain` of the `google.rpc.ErrorInfo` that the family's services send.
pub const ERROR_DOMAIN: &str = "nova";

/// The longest message of a status, in bytes. Escaped in `grpc-message` it takes up to three times as many.
const MAX_MESSAGE: usize = 1024;

/// The most that the violations of a status take in `BadRequest`, in bytes.
const MAX_VIOLATIONS: usize = 2048;

impl From<&ServiceError> for Status {
    /// The kind's gRPC code with `ErrorInfo` (reason = code, domain = [`ERROR_DOMAIN`]), `RetryInfo` and `BadRequest`.
    /// Redacts: the message and the violations of an internal kind and all causes stay behind.
    ///
    /// Trailers over 8 KiB are refused by most peers, and the error would be lost: a message over 1 KiB is cut, and
    /// violations beyond 2 KiB are left out.
    ///
    /// The error itself is the status' cause, which stays in this process: layers around a handler log it.
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
        for violation in fitting(error.public_violations()) {
            details.add_bad_request_violation(&violation.field, &violation.message);
        }
        let code = Code::from_i32(error.kind().grpc_code().number());
        let message = error.public_message();
        let message = message
            .get(..message.floor_char_boundary(MAX_MESSAGE))
            .unwrap_or_default();
        let mut status = Self::with_error_details(code, message, details);
        status.set_source(Arc::new(error.clone()));
        status
    }
}

/// The first violations, as many as there is room for.
fn fitting(violations: &[Violation]) -> impl Iterator<Item = &Violation> {
    // Tags and lengths of a field violation and its two strings.
    const FRAME: usize = 12;
    let mut room = MAX_VIOLATIONS;
    violations.iter().map_while(move |violation| {
        let size = violation.field.len() + violation.message.len() + FRAME;
        room = room.checked_sub(size)?;
        Some(violation)
    })
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
    /// A status that has a cause of its own was made in this process: the connection failed, the server refused the stream, or the
    /// client's own time-out struck. tonic shows a time-out as `CANCELLED`, the client's as well as the server's; both are a `Timeout` here.
    /// Where the cause is a `ServiceError` itself, that is the result: policies below a generated client hand theirs on in that way.
    fn from(status: Status) -> Self {
        if let Some(cause) = status.source() {
            return match cause.downcast_ref::<Self>() {
                Some(error) => error.clone(),
                None => from_transport(status),
            };
        }
        let details = pb::Status::decode(status.details()).unwrap_or_default();
        let ours = details
            .get_details_error_info()
            .filter(|info| info.domain == ERROR_DOMAIN)
            .and_then(|info| Some((ErrorKind::from_code(&info.reason)?, info)));
        let mut error = match ours {
            Some((kind, info)) => {
                let mut error = Self::new(kind, status.message().to_owned());
                for violation in details
                    .get_details_bad_request()
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
        if let Some(after) = retry_delay(&details) {
            error = error.with_retry_after(after);
        }
        error.with_origin(Origin::Remote).with_source(status)
    }
}

/// The delay in `RetryInfo`, none where it is negative. Not by the conversions of the library: they negate a negative one, which
/// overflows for the least of all.
fn retry_delay(details: &pb::Status) -> Option<Duration> {
    let mut details = details.details.iter();
    let info = details.find(|any| any.type_url == RetryInfo::TYPE_URL)?;
    let delay = pb::RetryInfo::decode(info.value.as_slice())
        .ok()?
        .retry_delay?;
    let nanos = u32::try_from(delay.nanos).unwrap_or_default();
    Some(match u64::try_from(delay.seconds) {
        Ok(seconds) => Duration::new(seconds, nanos),
        Err(_) => Duration::ZERO,
    })
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
    } else if is_refused_stream(&status) {
        ServiceError::ServiceUnavailable("stream refused".into()).with_effect(Effect::None)
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
    fn an_error_that_is_the_cause_of_a_status_comes_back_whole() {
        let error = ServiceError::Conflict("name taken".into())
            .with_reason("username")
            .with_attempts(3)
            .with_retries_spent();
        let back = ServiceError::from(Status::from(&error));
        assert_eq!(back.code(), "conflict.username");
        assert_eq!(back.attempts(), 3);
        assert!(!back.is_retryable_by_peers());
    }

    #[test]
    fn a_time_out_of_the_client_is_a_timeout() {
        let status = Status::from_error(Box::new(tonic::TimeoutExpired(())));
        assert_eq!(ServiceError::from(status).kind(), ErrorKind::Timeout);
    }
}
