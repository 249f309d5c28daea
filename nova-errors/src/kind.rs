use crate::GrpcCode;

/// The kinds of failure: the vocabulary that HTTP, gRPC, logs and metrics share.
///
/// A kind fixes the code on the wire, the HTTP status, the gRPC code and whether the failure may
/// pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Who is calling is unknown, or could not be proven.
    Authentication,
    /// Who is calling is known, and may not do this.
    Authorization,
    /// The request is malformed or breaks a rule; sending it again cannot help.
    Validation,
    /// What the request names does not exist.
    NotFound,
    /// What the request makes exists already.
    Conflict,
    /// A race was lost: a serialization failure, a deadlock, a version mismatch, or the same
    /// idempotency key in flight.
    Aborted,
    /// The idempotency key was used before, with another command.
    IdempotencyMismatch,
    /// The system is not in the state that the request needs.
    PreconditionFailed,
    /// Too many requests.
    RateLimited,
    /// A body or message is over its bound.
    PayloadTooLarge,
    /// The caller gave up.
    Cancelled,
    /// The time was up before there was an answer.
    Timeout,
    /// The service, or something that it needs, is away for now.
    ServiceUnavailable,
    /// A dependency answered what it may not.
    Upstream,
    /// The operation is known but not offered.
    Unimplemented,
    /// Data is lost or damaged.
    DataLoss,
    /// A fault in the service itself.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the wire contract's table.
    pub const ALL: [Self; 17] = [
        Self::Authentication,
        Self::Authorization,
        Self::Validation,
        Self::NotFound,
        Self::Conflict,
        Self::Aborted,
        Self::IdempotencyMismatch,
        Self::PreconditionFailed,
        Self::RateLimited,
        Self::PayloadTooLarge,
        Self::Cancelled,
        Self::Timeout,
        Self::ServiceUnavailable,
        Self::Upstream,
        Self::Unimplemented,
        Self::DataLoss,
        Self::Internal,
    ];

    /// Code on the wire, HTTP status, gRPC code, default phrase.
    const fn row(self) -> (&'static str, u16, GrpcCode, &'static str) {
        match self {
            Self::Authentication => (
                "authentication",
                401,
                GrpcCode::Unauthenticated,
                "authentication required",
            ),
            Self::Authorization => (
                "authorization",
                403,
                GrpcCode::PermissionDenied,
                "permission denied",
            ),
            Self::Validation => (
                "validation",
                400,
                GrpcCode::InvalidArgument,
                "invalid request",
            ),
            Self::NotFound => ("not_found", 404, GrpcCode::NotFound, "not found"),
            Self::Conflict => ("conflict", 409, GrpcCode::AlreadyExists, "conflict"),
            Self::Aborted => ("aborted", 409, GrpcCode::Aborted, "aborted"),
            Self::IdempotencyMismatch => (
                "idempotency_mismatch",
                422,
                GrpcCode::InvalidArgument,
                "idempotency key used with another command",
            ),
            Self::PreconditionFailed => (
                "precondition_failed",
                412,
                GrpcCode::FailedPrecondition,
                "precondition failed",
            ),
            Self::RateLimited => (
                "rate_limited",
                429,
                GrpcCode::ResourceExhausted,
                "too many requests",
            ),
            Self::PayloadTooLarge => (
                "payload_too_large",
                413,
                GrpcCode::OutOfRange,
                "payload too large",
            ),
            Self::Cancelled => ("cancelled", 499, GrpcCode::Cancelled, "cancelled"),
            Self::Timeout => ("timeout", 504, GrpcCode::DeadlineExceeded, "timed out"),
            Self::ServiceUnavailable => (
                "service_unavailable",
                503,
                GrpcCode::Unavailable,
                "service unavailable",
            ),
            Self::Upstream => ("upstream", 502, GrpcCode::Unknown, "upstream error"),
            Self::Unimplemented => (
                "unimplemented",
                501,
                GrpcCode::Unimplemented,
                "not implemented",
            ),
            Self::DataLoss => ("data_loss", 500, GrpcCode::DataLoss, "data loss"),
            Self::Internal => ("internal", 500, GrpcCode::Internal, "internal error"),
        }
    }

    /// The code on the wire, in `snake_case`: `not_found`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that a failure of this kind is answered with.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.row().1
    }

    /// The gRPC code that a failure of this kind is answered with.
    #[must_use]
    pub const fn grpc_code(self) -> GrpcCode {
        self.row().2
    }

    /// What to say where an error has no message of its own; also the `title` of a [`Problem`](crate::Problem).
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        self.row().3
    }

    /// Whether a failure of this kind may pass by itself.
    ///
    /// That it may pass does not make it safe to try again: see
    /// [`ServiceError::is_safe_to_retry`](crate::ServiceError::is_safe_to_retry).
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Aborted | Self::RateLimited | Self::Timeout | Self::ServiceUnavailable
        )
    }

    /// Whether the message and the violations of such an error stay in the process: the wire says "internal error".
    #[must_use]
    pub const fn is_redacted(self) -> bool {
        matches!(self, Self::Internal | Self::DataLoss | Self::Upstream)
    }

    /// The kind that a code names; a refined code (`conflict.username_taken`) has the kind before
    /// the dot.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let base = code.split_once('.').map_or(code, |(kind, _)| kind);
        Self::ALL.into_iter().find(|kind| kind.code() == base)
    }

    /// The kind of an HTTP answer that carries no code of ours: `None` below 400.
    ///
    /// The table is another than [`http_status`](Self::http_status) read backwards: it is for
    /// answers of proxies and of services outside the family.
    #[must_use]
    pub const fn from_http_status(status: u16) -> Option<Self> {
        Some(match status {
            0..400 => return None,
            401 | 407 => Self::Authentication,
            403 => Self::Authorization,
            404 | 410 => Self::NotFound,
            405 | 501 => Self::Unimplemented,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            412 | 428 => Self::PreconditionFailed,
            413 => Self::PayloadTooLarge,
            429 => Self::RateLimited,
            499 => Self::Cancelled,
            400..500 => Self::Validation,
            502 | 503 => Self::ServiceUnavailable,
            500 => Self::Internal,
            _ => Self::Upstream,
        })
    }

    /// The kind of a gRPC answer that carries no code of ours: `None` for `OK`.
    #[must_use]
    pub const fn from_grpc_code(code: GrpcCode) -> Option<Self> {
        Some(match code {
            GrpcCode::Ok => return None,
            GrpcCode::Cancelled => Self::Cancelled,
            GrpcCode::Unknown => Self::Upstream,
            GrpcCode::InvalidArgument => Self::Validation,
            GrpcCode::DeadlineExceeded => Self::Timeout,
            GrpcCode::NotFound => Self::NotFound,
            GrpcCode::AlreadyExists => Self::Conflict,
            GrpcCode::PermissionDenied => Self::Authorization,
            GrpcCode::ResourceExhausted => Self::RateLimited,
            GrpcCode::FailedPrecondition => Self::PreconditionFailed,
            GrpcCode::Aborted => Self::Aborted,
            GrpcCode::OutOfRange => Self::PayloadTooLarge,
            GrpcCode::Unimplemented => Self::Unimplemented,
            GrpcCode::Internal => Self::Internal,
            GrpcCode::Unavailable => Self::ServiceUnavailable,
            GrpcCode::DataLoss => Self::DataLoss,
            GrpcCode::Unauthenticated => Self::Authentication,
        })
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_of_the_wire_contract() {
        let table: String = ErrorKind::ALL
            .iter()
            .map(|kind| {
                format!(
                    "{} {} {} {}\n",
                    kind.code(),
                    kind.http_status(),
                    kind.grpc_code(),
                    kind.is_retryable()
                )
            })
            .collect();
        insta::assert_snapshot!(table, @r#"
        authentication 401 UNAUTHENTICATED false
        authorization 403 PERMISSION_DENIED false
        validation 400 INVALID_ARGUMENT false
        not_found 404 NOT_FOUND false
        conflict 409 ALREADY_EXISTS false
        aborted 409 ABORTED true
        idempotency_mismatch 422 INVALID_ARGUMENT false
        precondition_failed 412 FAILED_PRECONDITION false
        rate_limited 429 RESOURCE_EXHAUSTED true
        payload_too_large 413 OUT_OF_RANGE false
        cancelled 499 CANCELLED false
        timeout 504 DEADLINE_EXCEEDED true
        service_unavailable 503 UNAVAILABLE true
        upstream 502 UNKNOWN false
        unimplemented 501 UNIMPLEMENTED false
        data_loss 500 DATA_LOSS false
        internal 500 INTERNAL false
        "#);
    }

    #[test]
    fn a_code_leads_back_to_its_kind() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(kind));
            let refined = format!("{}.some_reason", kind.code());
            assert_eq!(ErrorKind::from_code(&refined), Some(kind));
        }
        assert_eq!(ErrorKind::from_code("no_such_code"), None);
    }

    #[test]
    fn every_error_status_has_a_kind_and_no_other_status_has_one() {
        for status in 0..400 {
            assert_eq!(ErrorKind::from_http_status(status), None);
        }
        for status in 400..600 {
            assert!(ErrorKind::from_http_status(status).is_some());
        }
    }
}
