use backoff::exponential::ExponentialBackoff;

use crate::{Backoff, RetryPolicy, ServiceError};

impl<C> TryFrom<&ExponentialBackoff<C>> for RetryPolicy {
    type Error = ServiceError;

    /// The policy with the same first wait, longest wait and time limit.
    ///
    /// What it leaves behind is `multiplier` and `randomization_factor`: waits double and are drawn evenly from zero to their
    /// ceiling. `ExponentialBackoff` counts no attempts, so that the policy doesn't either; without a `max_elapsed_time`
    /// it goes on for ever, as before. Set [`max_attempts`](RetryPolicy::max_attempts) where that is not meant.
    ///
    /// ```
    /// use std::time::Duration;
    /// use backoff::ExponentialBackoffBuilder;
    /// use nova_errors::{Backoff, RetryPolicy};
    ///
    /// let old: backoff::ExponentialBackoff = ExponentialBackoffBuilder::new()
    ///     .with_initial_interval(Duration::from_millis(100))
    ///     .with_max_interval(Duration::from_secs(5))
    ///     .with_max_elapsed_time(Some(Duration::from_secs(30)))
    ///     .build();
    ///
    /// let policy = RetryPolicy::try_from(&old)?;
    /// let same = Backoff::new(Duration::from_millis(100), Duration::from_secs(5))?;
    /// assert_eq!(
    ///     policy,
    ///     RetryPolicy::standard()
    ///         .max_attempts(u32::MAX)
    ///         .backoff(same)
    ///         .time_limit(Duration::from_secs(30)),
    /// );
    /// # Ok::<(), nova_errors::ServiceError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Validation` where the first interval is zero or above the longest one.
    fn try_from(old: &ExponentialBackoff<C>) -> Result<Self, ServiceError> {
        let policy = Self::standard()
            .max_attempts(u32::MAX)
            .backoff(Backoff::new(old.initial_interval, old.max_interval)?);
        Ok(match old.max_elapsed_time {
            Some(limit) => policy.time_limit(limit),
            None => policy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FailedAttempt, RetryDecision, StopReason};
    use backoff::ExponentialBackoff;
    use std::time::Duration;

    fn decide(policy: &RetryPolicy, failed: FailedAttempt) -> RetryDecision {
        let away = ServiceError::ServiceUnavailable("connect".into());
        policy.decide(&away, failed.idempotent(true), u64::MAX)
    }

    #[test]
    fn time_ends_the_attempts_and_their_number_does_not() {
        let policy = RetryPolicy::try_from(&ExponentialBackoff::default()).unwrap();
        let failed = FailedAttempt::number(1_000);
        let RetryDecision::RetryAfter(wait) = decide(&policy, failed) else {
            panic!("the policy gave up");
        };
        assert!(wait <= Duration::from_secs(60));
        let late = failed.elapsed(Duration::from_secs(15 * 60));
        assert_eq!(
            decide(&policy, late),
            RetryDecision::Stop(StopReason::NoTimeLeft)
        );
    }

    #[test]
    fn intervals_that_contradict_each_other_are_refused_by_name() {
        let old = ExponentialBackoff {
            initial_interval: Duration::from_secs(61),
            ..ExponentialBackoff::default()
        };
        let error = RetryPolicy::try_from(&old).unwrap_err();
        assert_eq!(error.violations()[0].field, "backoff.max");
    }
}
