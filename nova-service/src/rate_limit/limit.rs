use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use nova_errors::{ServiceError, Violation};

/// A named quota of requests in a window of time, for each key.
///
/// It is enforced by the generic cell rate algorithm: an unused quota may be spent at once, and comes back evenly over the window, one request every
/// `window / quota`. No window has an edge at which twice the quota fits.
///
/// ```
/// use std::time::Duration;
/// use nova_service::RateLimit;
///
/// let logins = RateLimit::new("auth", 100, Duration::from_secs(60))?;
/// assert_eq!(logins.name(), "auth");
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    name: Arc<str>,
    quota: Quota,
    window: Duration,
}

impl RateLimit {
    /// The longest name, in characters.
    pub const MAX_NAME: usize = 64;

    /// The longest window: a day.
    pub const MAX_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

    /// `quota` requests in each `window`. Clients see the name: few and fixed ones, as it is also a metric's label.
    ///
    /// # Errors
    ///
    /// `Validation` for a name that is not of 1 to [`MAX_NAME`](Self::MAX_NAME) letters, digits, `-`, `_` and `.`, for a quota of zero or of more than one request
    /// a nanosecond, and for a window that is not of whole seconds from one to [`MAX_WINDOW`](Self::MAX_WINDOW).
    pub fn new(
        name: impl Into<String>,
        quota: u32,
        window: Duration,
    ) -> Result<Self, ServiceError> {
        let name: String = name.into();
        let is_name = (1..=Self::MAX_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'));
        if !is_name {
            return Err(refused(
                "name",
                "expected 1 to 64 letters, digits, '-', '_' and '.'",
            ));
        }
        if window.is_zero() || window > Self::MAX_WINDOW || window.subsec_nanos() != 0 {
            return Err(refused(
                "window",
                "expected whole seconds, from 1 s to a day",
            ));
        }
        let quota = NonZeroU32::new(quota)
            .and_then(|quota| {
                let interval = window / quota.get();
                Some(Quota::with_period(interval)?.allow_burst(quota))
            })
            .ok_or_else(|| refused("quota", "expected from 1 to one a nanosecond"))?;
        Ok(Self {
            name: name.into(),
            quota,
            window,
        })
    }

    /// What the limit is called in headers and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests fit in a window.
    #[must_use]
    pub fn quota(&self) -> u32 {
        self.quota.burst_size().get()
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    pub(super) fn to_governor(&self) -> Quota {
        self.quota
    }
}

fn refused(field: &'static str, message: &'static str) -> ServiceError {
    ServiceError::Validation(Violation::new(field, message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        let second = Duration::from_secs(1);
        for (name, quota, window, field) in [
            ("", 1, second, "name"),
            ("a\"b", 1, second, "name"),
            ("a b", 1, second, "name"),
            ("a", 0, second, "quota"),
            ("a", u32::MAX, second, "quota"),
            ("a", 1, Duration::ZERO, "window"),
            ("a", 1, Duration::from_millis(1500), "window"),
            ("a", 1, RateLimit::MAX_WINDOW + second, "window"),
        ] {
            let error = RateLimit::new(name, quota, window).unwrap_err();
            assert_eq!(
                error.violations()[0].field,
                field,
                "{name} {quota} {window:?}"
            );
        }
        let long = "a".repeat(RateLimit::MAX_NAME + 1);
        assert!(RateLimit::new(long, 1, second).is_err());
    }

    #[test]
    fn the_smallest_and_the_largest_rate_are_limits() {
        let second = Duration::from_secs(1);
        assert!(RateLimit::new("a", 1, RateLimit::MAX_WINDOW).is_ok());
        assert!(RateLimit::new("a", 1_000_000_000, second).is_ok());
    }
}
