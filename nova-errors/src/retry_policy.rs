use std::time::Duration;

use crate::backoff::scale;
use crate::{Backoff, Effect, RetryOn, ServiceError, Violation};

/// When to try again, and after how long.
///
/// A policy is pure arithmetic: it has no clock, no runtime and no random source of its own. Whoever runs the attempts asks
/// [`decide`](Self::decide) after each failure. `Retry-After` is honoured, and where it exceeds the time left the call
/// fails now instead of waiting in vain. Where neither a deadline nor a time limit bounds the call,
/// [`MAX_RETRY_AFTER`](Self::MAX_RETRY_AFTER) does.
///
/// ```
/// use std::time::Duration;
/// use nova_errors::{FailedAttempt, RetryDecision, RetryPolicy, ServiceError, StopReason};
///
/// let policy = RetryPolicy::standard().max_attempts(4);
/// let failed = FailedAttempt::first().idempotent(true).time_left(Duration::from_secs(5));
///
/// let away = ServiceError::ServiceUnavailable("connect".into());
/// assert!(matches!(policy.decide(&away, failed, 7), RetryDecision::RetryAfter(_)));
///
/// let told = away.with_retry_after(Duration::from_secs(60));
/// assert_eq!(policy.decide(&told, failed, 7), RetryDecision::Stop(StopReason::NoTimeLeft));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    backoff: Backoff,
    retry_on: RetryOn,
    time_limit: Option<Duration>,
}

impl RetryPolicy {
    /// The longest `Retry-After` that is waited for where the call has no deadline and the policy no time limit: 5 minutes.
    /// A peer that asks for more ends the call, so that no word of its parks a worker for days.
    pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

    /// 3 attempts, full jitter from 50 ms to 2 s, every failure that may pass, no time limit.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::STANDARD,
            retry_on: RetryOn::ALL,
            time_limit: None,
        }
    }

    /// One attempt, no retry.
    #[must_use]
    pub const fn never() -> Self {
        let mut policy = Self::standard();
        policy.max_attempts = 1;
        policy
    }

    /// Sets the attempts in all, the first one included: 1 or more ([`validate`](Self::validate)).
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the waits between attempts.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets which failures are tried again.
    #[must_use]
    pub const fn retry_on(mut self, retry_on: RetryOn) -> Self {
        self.retry_on = retry_on;
        self
    }

    /// Sets the time from the first attempt's start after which no further one begins.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// The attempts in all.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.max_attempts
    }

    /// Checks the settings; whoever takes a policy calls this when it is built.
    ///
    /// # Errors
    ///
    /// `Validation` where `max_attempts` is 0.
    pub fn validate(&self) -> Result<(), ServiceError> {
        if self.max_attempts == 0 {
            let violation = Violation::new("retry.max_attempts", "expected 1 or more, got 0");
            return Err(ServiceError::Validation(violation.into()));
        }
        Ok(())
    }

    /// What to do after a failed attempt; `random` is evenly distributed over all of `u64`.
    #[must_use]
    pub fn decide(
        &self,
        error: &ServiceError,
        failed: FailedAttempt,
        random: u64,
    ) -> RetryDecision {
        if !self.retry_on.matches(error) {
            return RetryDecision::Stop(StopReason::NotRetryable);
        }
        if !failed.idempotent && error.effect() != Effect::None {
            return RetryDecision::Stop(StopReason::UnknownEffect);
        }
        if failed.attempt >= self.max_attempts {
            return RetryDecision::Stop(StopReason::AttemptsSpent);
        }
        let left = self.left(failed);
        let wait = match error.retry_after() {
            Some(after) if left.is_none() && after > Self::MAX_RETRY_AFTER => {
                return RetryDecision::Stop(StopReason::NoTimeLeft);
            }
            // Spread those who were told the same time, but not at the price of the deadline.
            Some(after) => {
                let spread = after.saturating_add(scale(self.backoff.ceiling(1), random));
                if left.is_none_or(|left| spread < left) {
                    spread
                } else {
                    after
                }
            }
            None => self.backoff.delay(failed.attempt, random),
        };
        match left {
            Some(left) if wait >= left => RetryDecision::Stop(StopReason::NoTimeLeft),
            _ => RetryDecision::RetryAfter(wait),
        }
    }

    fn left(&self, failed: FailedAttempt) -> Option<Duration> {
        let of_limit = self
            .time_limit
            .map(|limit| limit.saturating_sub(failed.elapsed));
        match (of_limit, failed.time_left) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::standard()
    }
}

/// How far a call has come when an attempt fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAttempt {
    attempt: u32,
    idempotent: bool,
    elapsed: Duration,
    time_left: Option<Duration>,
}

impl FailedAttempt {
    /// The first attempt of a call that is not idempotent and has no deadline.
    #[must_use]
    pub const fn first() -> Self {
        Self::number(1)
    }

    /// Attempt `attempt`, counted from 1, of a call that is not idempotent and has no deadline.
    #[must_use]
    pub const fn number(attempt: u32) -> Self {
        Self {
            attempt,
            idempotent: false,
            elapsed: Duration::ZERO,
            time_left: None,
        }
    }

    /// Sets whether doing the same again has the effect of doing it once.
    #[must_use]
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Sets the time since the first attempt began.
    #[must_use]
    pub const fn elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// Sets what is left until the call's deadline.
    #[must_use]
    pub const fn time_left(mut self, left: Duration) -> Self {
        self.time_left = Some(left);
        self
    }
}

/// The answer of a [`RetryPolicy`]: there are two and will be no third, so that a `match` needs no wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again after this wait.
    RetryAfter(Duration),
    /// Don't.
    Stop(StopReason),
}

/// Why there is no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The failure will not pass, or the policy leaves out its kind.
    NotRetryable,
    /// The request may have taken effect, and is not idempotent.
    UnknownEffect,
    /// All attempts were made.
    AttemptsSpent,
    /// The wait would go past the deadline or the policy's time limit, or without either past
    /// [`RetryPolicy::MAX_RETRY_AFTER`].
    NoTimeLeft,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use proptest::prelude::*;

    fn unavailable() -> ServiceError {
        ServiceError::ServiceUnavailable("away".into())
    }

    #[test]
    fn an_unknown_effect_is_not_tried_again_unless_the_call_is_idempotent() {
        let policy = RetryPolicy::standard();
        let failed = FailedAttempt::first();
        assert_eq!(
            policy.decide(&unavailable(), failed, 0),
            RetryDecision::Stop(StopReason::UnknownEffect)
        );
        let harmless = unavailable().with_effect(Effect::None);
        assert!(matches!(
            policy.decide(&harmless, failed, 0),
            RetryDecision::RetryAfter(_)
        ));
    }

    #[test]
    fn a_kind_that_is_left_out_is_final() {
        let policy = RetryPolicy::standard().retry_on(RetryOn::kinds([ErrorKind::Aborted]));
        let failed = FailedAttempt::first().idempotent(true);
        assert_eq!(
            policy.decide(&unavailable(), failed, 0),
            RetryDecision::Stop(StopReason::NotRetryable)
        );
        let aborted = ServiceError::Aborted("lost a race".into());
        assert!(matches!(
            policy.decide(&aborted, failed, 0),
            RetryDecision::RetryAfter(_)
        ));
    }

    #[test]
    fn zero_attempts_are_refused_by_name() {
        let error = RetryPolicy::standard().max_attempts(0).validate();
        assert_eq!(
            error.unwrap_err().violations()[0].field,
            "retry.max_attempts"
        );
    }

    #[test]
    fn a_peer_cannot_park_a_call_that_has_no_deadline() {
        let policy = RetryPolicy::standard();
        let failed = FailedAttempt::first().idempotent(true);
        let longest = unavailable().with_retry_after(RetryPolicy::MAX_RETRY_AFTER);
        assert_eq!(
            policy.decide(&longest, failed, 0),
            RetryDecision::RetryAfter(RetryPolicy::MAX_RETRY_AFTER)
        );
        let ages = unavailable().with_retry_after(Duration::from_millis(9_000_000_000_000_000_000));
        assert_eq!(
            policy.decide(&ages, failed, 0),
            RetryDecision::Stop(StopReason::NoTimeLeft)
        );
    }

    proptest! {
        #[test]
        fn a_retry_is_never_later_than_allowed_and_never_earlier_than_told(
            attempt in 1_u32..6,
            max in 1_u32..6,
            left in proptest::option::of(0_u64..10_000),
            limit in proptest::option::of(0_u64..10_000),
            elapsed in 0_u64..10_000,
            after in proptest::option::of(prop_oneof![0_u64..10_000, any::<u64>()]),
            random: u64,
        ) {
            let mut policy = RetryPolicy::standard().max_attempts(max);
            if let Some(limit) = limit {
                policy = policy.time_limit(Duration::from_millis(limit));
            }
            let mut error = unavailable();
            if let Some(after) = after {
                error = error.with_retry_after(Duration::from_millis(after));
            }
            let mut failed = FailedAttempt::number(attempt)
                .idempotent(true)
                .elapsed(Duration::from_millis(elapsed));
            if let Some(left) = left {
                failed = failed.time_left(Duration::from_millis(left));
            }
            if let RetryDecision::RetryAfter(wait) = policy.decide(&error, failed, random) {
                prop_assert!(attempt < max);
                prop_assert!(wait <= RetryPolicy::MAX_RETRY_AFTER + Backoff::STANDARD.ceiling(1));
                if let Some(left) = left {
                    prop_assert!(wait < Duration::from_millis(left));
                }
                if let Some(limit) = limit {
                    prop_assert!(wait + Duration::from_millis(elapsed) < Duration::from_millis(limit));
                }
                if let Some(after) = after {
                    prop_assert!(wait >= Duration::from_millis(after));
                } else {
                    prop_assert!(wait <= Backoff::STANDARD.ceiling(attempt));
                }
            }
        }
    }
}
