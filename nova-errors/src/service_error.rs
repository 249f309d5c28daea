use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Effect, ErrorDetail, ErrorKind, Origin, Violation};

/// What went wrong: a variant per [`ErrorKind`], each with one small [`ErrorDetail`].
///
/// Make one from a string, or without a detail where the kind says enough: that allocates nothing.
/// `Display` says what failed; why is in [`source`](Error::source), and [`Chain`](crate::Chain) shows both.
///
/// ```
/// use nova_errors::{ErrorDetail, ServiceError, Violation};
///
/// fn page(limit: u32) -> Result<u32, ServiceError> {
///     if (1..=100).contains(&limit) {
///         Ok(limit)
///     } else {
///         let broken = Violation::new("limit", format!("expected 1 to 100, got {limit}"));
///         Err(ServiceError::Validation(broken.into()))
///     }
/// }
/// assert_eq!(page(0).unwrap_err().violations()[0].field, "limit");
///
/// let limited = ServiceError::RateLimited(ErrorDetail::default());
/// assert_eq!(limited.to_string(), "too many requests");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceError {
    /// See [`ErrorKind::Authentication`].
    Authentication(ErrorDetail),
    /// See [`ErrorKind::Authorization`].
    Authorization(ErrorDetail),
    /// See [`ErrorKind::Validation`].
    Validation(ErrorDetail),
    /// See [`ErrorKind::NotFound`].
    NotFound(ErrorDetail),
    /// See [`ErrorKind::Conflict`].
    Conflict(ErrorDetail),
    /// See [`ErrorKind::Aborted`].
    Aborted(ErrorDetail),
    /// See [`ErrorKind::IdempotencyMismatch`].
    IdempotencyMismatch(ErrorDetail),
    /// See [`ErrorKind::PreconditionFailed`].
    PreconditionFailed(ErrorDetail),
    /// See [`ErrorKind::RateLimited`].
    RateLimited(ErrorDetail),
    /// See [`ErrorKind::PayloadTooLarge`].
    PayloadTooLarge(ErrorDetail),
    /// See [`ErrorKind::Cancelled`].
    Cancelled(ErrorDetail),
    /// See [`ErrorKind::Timeout`].
    Timeout(ErrorDetail),
    /// See [`ErrorKind::ServiceUnavailable`].
    ServiceUnavailable(ErrorDetail),
    /// See [`ErrorKind::Upstream`].
    Upstream(ErrorDetail),
    /// See [`ErrorKind::Unimplemented`].
    Unimplemented(ErrorDetail),
    /// See [`ErrorKind::DataLoss`].
    DataLoss(ErrorDetail),
    /// See [`ErrorKind::Internal`].
    Internal(ErrorDetail),
}

impl ServiceError {
    /// The longest reason that refines a code, in characters: 64.
    pub const MAX_REASON: usize = 64;

    /// An error of a kind that is known at run time only; where it is known in the source, name the variant.
    pub fn new(kind: ErrorKind, detail: impl Into<ErrorDetail>) -> Self {
        let detail = detail.into();
        match kind {
            ErrorKind::Authentication => Self::Authentication(detail),
            ErrorKind::Authorization => Self::Authorization(detail),
            ErrorKind::Validation => Self::Validation(detail),
            ErrorKind::NotFound => Self::NotFound(detail),
            ErrorKind::Conflict => Self::Conflict(detail),
            ErrorKind::Aborted => Self::Aborted(detail),
            ErrorKind::IdempotencyMismatch => Self::IdempotencyMismatch(detail),
            ErrorKind::PreconditionFailed => Self::PreconditionFailed(detail),
            ErrorKind::RateLimited => Self::RateLimited(detail),
            ErrorKind::PayloadTooLarge => Self::PayloadTooLarge(detail),
            ErrorKind::Cancelled => Self::Cancelled(detail),
            ErrorKind::Timeout => Self::Timeout(detail),
            ErrorKind::ServiceUnavailable => Self::ServiceUnavailable(detail),
            ErrorKind::Upstream => Self::Upstream(detail),
            ErrorKind::Unimplemented => Self::Unimplemented(detail),
            ErrorKind::DataLoss => Self::DataLoss(detail),
            ErrorKind::Internal => Self::Internal(detail),
        }
    }

    fn parts(&self) -> (ErrorKind, &ErrorDetail) {
        match self {
            Self::Authentication(detail) => (ErrorKind::Authentication, detail),
            Self::Authorization(detail) => (ErrorKind::Authorization, detail),
            Self::Validation(detail) => (ErrorKind::Validation, detail),
            Self::NotFound(detail) => (ErrorKind::NotFound, detail),
            Self::Conflict(detail) => (ErrorKind::Conflict, detail),
            Self::Aborted(detail) => (ErrorKind::Aborted, detail),
            Self::IdempotencyMismatch(detail) => (ErrorKind::IdempotencyMismatch, detail),
            Self::PreconditionFailed(detail) => (ErrorKind::PreconditionFailed, detail),
            Self::RateLimited(detail) => (ErrorKind::RateLimited, detail),
            Self::PayloadTooLarge(detail) => (ErrorKind::PayloadTooLarge, detail),
            Self::Cancelled(detail) => (ErrorKind::Cancelled, detail),
            Self::Timeout(detail) => (ErrorKind::Timeout, detail),
            Self::ServiceUnavailable(detail) => (ErrorKind::ServiceUnavailable, detail),
            Self::Upstream(detail) => (ErrorKind::Upstream, detail),
            Self::Unimplemented(detail) => (ErrorKind::Unimplemented, detail),
            Self::DataLoss(detail) => (ErrorKind::DataLoss, detail),
            Self::Internal(detail) => (ErrorKind::Internal, detail),
        }
    }

    fn detail_mut(&mut self) -> &mut ErrorDetail {
        match self {
            Self::Authentication(detail)
            | Self::Authorization(detail)
            | Self::Validation(detail)
            | Self::NotFound(detail)
            | Self::Conflict(detail)
            | Self::Aborted(detail)
            | Self::IdempotencyMismatch(detail)
            | Self::PreconditionFailed(detail)
            | Self::RateLimited(detail)
            | Self::PayloadTooLarge(detail)
            | Self::Cancelled(detail)
            | Self::Timeout(detail)
            | Self::ServiceUnavailable(detail)
            | Self::Upstream(detail)
            | Self::Unimplemented(detail)
            | Self::DataLoss(detail)
            | Self::Internal(detail) => detail,
        }
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.parts().0
    }

    /// What the error carries beside its kind.
    #[must_use]
    pub fn detail(&self) -> &ErrorDetail {
        self.parts().1
    }

    /// The code on the wire: the kind's, or the kind's with a reason after a dot
    /// ([`with_reason`](Self::with_reason)).
    #[must_use]
    pub fn code(&self) -> &str {
        let (kind, detail) = self.parts();
        detail.code().unwrap_or(kind.code())
    }

    /// The HTTP status to answer with.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.kind().http_status()
    }

    /// What may be said outside the process: the message, or the kind's phrase where there is
    /// none, and "internal error" for the kinds whose message stays inside.
    #[must_use]
    pub fn public_message(&self) -> &str {
        let (kind, detail) = self.parts();
        if kind.is_redacted() {
            return ErrorKind::Internal.phrase();
        }
        detail.message().unwrap_or(kind.phrase())
    }

    /// The violations that may be said outside the process: none for the kinds whose message stays inside.
    ///
    /// ```
    /// use nova_errors::{ServiceError, Violation};
    ///
    /// let broken = Violation::new("limit", "expected 1 to 100");
    /// assert_eq!(ServiceError::Validation(broken.clone().into()).public_violations().len(), 1);
    /// assert!(ServiceError::Internal(broken.into()).public_violations().is_empty());
    /// ```
    #[must_use]
    pub fn public_violations(&self) -> &[Violation] {
        if self.kind().is_redacted() {
            return &[];
        }
        self.violations()
    }

    /// The rules that the request breaks.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.detail().violations()
    }

    /// Whether the failure may pass by itself: the kind's word, unless the peer said otherwise.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let (kind, detail) = self.parts();
        detail.retryable().unwrap_or(kind.is_retryable())
    }

    /// Whether trying again is of use *and* does no harm: the failure may pass, and the request is
    /// idempotent or cannot have taken effect.
    #[must_use]
    pub fn is_safe_to_retry(&self, idempotent: bool) -> bool {
        self.is_retryable() && (idempotent || self.effect() == Effect::None)
    }

    /// What a peer is told of [`is_retryable`](Self::is_retryable): no where the retries of this
    /// service are spent already.
    #[must_use]
    pub fn is_retryable_by_peers(&self) -> bool {
        self.is_retryable() && !self.detail().retries_spent()
    }

    /// How long to wait before the next attempt, where somebody said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.detail().retry_after()
    }

    /// How many attempts were made; 0 where nobody counted.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.detail().attempts()
    }

    /// Where the error arose.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.detail().origin()
    }

    /// Whether the request can have taken effect.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.detail().effect()
    }

    /// The first cause of type `E` in the chain.
    #[must_use]
    pub fn find_source<E: Error + 'static>(&self) -> Option<&E> {
        let mut cause = self.source();
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// Says what failed in other words; everything else stays.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.detail_mut().set_message(message.into());
        self
    }

    /// Refines the code with a reason: `username_taken` makes `conflict.username_taken`.
    ///
    /// The kind stays readable for a peer that doesn't know the reason. A reason that holds
    /// anything but ASCII letters, digits and `_` has each such character replaced by `_`; one longer than
    /// [`MAX_REASON`](Self::MAX_REASON) is cut.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        let reason: String = reason
            .chars()
            .take(Self::MAX_REASON)
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let code = format!("{}.{reason}", self.kind().code());
        self.detail_mut().set_code(code.into());
        self
    }

    /// Adds a broken rule.
    #[must_use]
    pub fn with_violation(mut self, violation: Violation) -> Self {
        self.detail_mut().push_violation(violation);
        self
    }

    /// Sets how long to wait before the next attempt.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.detail_mut().set_retry_after(Some(after));
        self
    }

    /// Overrides the kind's word on whether the failure may pass.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.detail_mut().set_retryable(retryable);
        self
    }

    /// Sets how many attempts were made.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.detail_mut().set_attempts(attempts);
        self
    }

    /// Notes that this service has tried again already, or may not for lack of a budget.
    ///
    /// Answers made of the error then say that it is not retryable, so that layers of services don't multiply their
    /// retries. In this process nothing changes: a job that comes back a minute later is right to.
    ///
    /// ```
    /// use nova_errors::{ErrorBody, ServiceError};
    ///
    /// let away = ServiceError::ServiceUnavailable("connect".into()).with_retries_spent();
    /// assert!(away.is_retryable());
    /// assert!(!ErrorBody::from(&away).retryable);
    /// ```
    #[must_use]
    pub fn with_retries_spent(mut self) -> Self {
        self.detail_mut().set_retries_spent();
        self
    }

    /// Sets where the error arose.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.detail_mut().set_origin(origin);
        self
    }

    /// Sets whether the request can have taken effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.detail_mut().set_effect(effect);
        self
    }

    /// Sets the cause. It goes to the log, never over the wire.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.detail_mut().set_source(Arc::from(source.into()));
        self
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, detail) = self.parts();
        f.write_str(detail.message().unwrap_or(kind.phrase()))
    }
}

impl Error for ServiceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.detail().source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_two_words_wide() {
        assert!(size_of::<ServiceError>() <= 16);
    }

    #[test]
    fn the_kind_given_is_the_kind_held() {
        for kind in ErrorKind::ALL {
            let error = ServiceError::new(kind, ErrorDetail::default());
            assert_eq!(error.kind(), kind);
            assert_eq!(error.to_string(), kind.phrase());
        }
    }

    #[test]
    fn a_change_to_a_clone_leaves_the_original_alone() {
        let original = ServiceError::Conflict("name taken".into());
        let changed = original.clone().with_reason("username taken");
        assert_eq!(original.code(), "conflict");
        assert_eq!(changed.code(), "conflict.username_taken");
    }

    #[test]
    fn a_reason_from_afar_cannot_grow_beyond_its_bound() {
        let error = ServiceError::Conflict("name taken".into()).with_reason(&"ä".repeat(1_000));
        assert_eq!(error.code(), format!("conflict.{}", "_".repeat(64)));
    }

    #[test]
    fn retryable_and_safe_to_retry_are_two_things() {
        let error = ServiceError::ServiceUnavailable("pool".into());
        assert!(error.is_retryable());
        assert!(!error.is_safe_to_retry(false));
        assert!(error.is_safe_to_retry(true));
        assert!(
            error
                .clone()
                .with_effect(Effect::None)
                .is_safe_to_retry(false)
        );
        assert!(!error.with_retryable(false).is_safe_to_retry(true));
    }

    #[test]
    fn a_cause_can_be_found_by_type() {
        let io = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let error = ServiceError::Internal("write".into()).with_source(io);
        let found = error
            .find_source::<std::io::Error>()
            .map(std::io::Error::kind);
        assert_eq!(found, Some(std::io::ErrorKind::BrokenPipe));
    }
}
