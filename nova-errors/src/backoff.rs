use std::time::Duration;

use crate::{ErrorDetail, ServiceError, Violation};

/// Capped exponential backoff with full jitter.
///
/// Before retry `n` (from 1) the wait is drawn evenly from zero to `min(max, initial × 2ⁿ⁻¹)`. Full jitter spreads
/// clients that failed together best; see M. Brooker, *Exponential Backoff And Jitter*, AWS
/// Architecture Blog, 2015.
///
/// It is pure arithmetic: the random number is an argument.
///
/// ```
/// use std::time::Duration;
/// use nova_errors::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2))?;
/// assert_eq!(backoff.ceiling(1), Duration::from_millis(50));
/// assert_eq!(backoff.ceiling(3), Duration::from_millis(200));
/// assert_eq!(backoff.ceiling(40), Duration::from_secs(2));
/// assert!(backoff.delay(3, u64::MAX / 2) <= backoff.ceiling(3));
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
}

impl Backoff {
    /// 50 ms, doubling up to 2 s.
    pub const STANDARD: Self = Self {
        initial: Duration::from_millis(50),
        max: Duration::from_secs(2),
    };

    /// A backoff from `initial`, doubling up to `max`.
    ///
    /// # Errors
    ///
    /// `Validation` where `initial` is zero or above `max`.
    pub fn new(initial: Duration, max: Duration) -> Result<Self, ServiceError> {
        if initial.is_zero() {
            return Err(invalid("initial", "expected more than zero".to_owned()));
        }
        if initial > max {
            return Err(invalid(
                "max",
                format!("expected at least the initial {initial:?}, got {max:?}"),
            ));
        }
        Ok(Self { initial, max })
    }

    /// The longest wait before retry `retry` (from 1).
    #[must_use]
    pub fn ceiling(&self, retry: u32) -> Duration {
        let factor = 1_u32
            .checked_shl(retry.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.max)
    }

    /// The wait before retry `retry` (from 1); `random` is evenly distributed over all of `u64`.
    #[must_use]
    pub fn delay(&self, retry: u32, random: u64) -> Duration {
        scale(self.ceiling(retry), random)
    }
}

/// `random / 2⁶⁴` of `ceiling`.
pub(crate) fn scale(ceiling: Duration, random: u64) -> Duration {
    let nanos = u128::from(u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX));
    let part = (nanos * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

fn invalid(field: &str, message: String) -> ServiceError {
    let detail: ErrorDetail = Violation::new(format!("backoff.{field}"), message).into();
    ServiceError::Validation(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_never_exceeds_its_ceiling_and_the_ceiling_never_the_maximum(
            initial in 1_u64..10_000_000_000,
            extra in 0_u64..100_000_000_000,
            retry: u32,
            random: u64,
        ) {
            let max = Duration::from_nanos(initial + extra);
            let backoff = Backoff::new(Duration::from_nanos(initial), max)
                .map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!(backoff.ceiling(retry) <= max);
            prop_assert!(backoff.delay(retry, random) <= backoff.ceiling(retry));
            prop_assert!(backoff.ceiling(retry) <= backoff.ceiling(retry.saturating_add(1)));
        }
    }

    #[test]
    fn bad_bounds_are_refused_by_name() {
        let second = Duration::from_secs(1);
        let error = Backoff::new(Duration::ZERO, second).unwrap_err();
        assert_eq!(error.violations()[0].field, "backoff.initial");
        let error = Backoff::new(second, second / 2).unwrap_err();
        assert_eq!(error.violations()[0].field, "backoff.max");
    }
}
