use std::time::Duration;

use nova_errors::{ServiceError, Violation};

/// When a circuit opens, for how long, and what closes it.
///
/// ```
/// use std::time::Duration;
/// use nova_client::circuit_breaker::CircuitBreaker;
///
/// let breaker = CircuitBreaker::standard().failure_share(0.3).open_for(Duration::from_secs(2));
/// assert!(breaker.validate().is_ok());
/// assert!(breaker.failure_share(0.0).validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CircuitBreaker {
    pub(super) failure_share: f64,
    pub(super) min_calls: u32,
    pub(super) window: Duration,
    pub(super) open_for: Duration,
    pub(super) probes: u16,
}

impl CircuitBreaker {
    /// The most probes that can be set.
    pub const MAX_PROBES: u16 = 1000;

    /// Never opens: the window holds fewer calls than this asks for.
    pub(crate) const NEVER: Self = Self::standard().min_calls(u32::MAX);

    /// Opens when half of at least 20 calls in 10 s failed, for 5 s; 3 probes close it.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            failure_share: 0.5,
            min_calls: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            probes: 3,
        }
    }

    /// Sets the share of calls that must fail: more than 0, up to 1.
    #[must_use]
    pub const fn failure_share(mut self, share: f64) -> Self {
        self.failure_share = share;
        self
    }

    /// Sets the calls in the window below which it never opens: 1 or more.
    #[must_use]
    pub const fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = calls;
        self
    }

    /// Sets the time that is looked back on: 10 ms to an hour, in steps of a tenth of it.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how long it stays open: 1 ms to an hour. Up to a fifth is added by chance, so that clients that opened together don't
    /// come back together.
    #[must_use]
    pub const fn open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }

    /// Sets how many calls are let through at once when it is half open, and how many must succeed to close it: 1 to 1000.
    #[must_use]
    pub const fn probes(mut self, probes: u16) -> Self {
        self.probes = probes;
        self
    }

    /// Checks the settings; whoever takes a breaker calls this when it is built.
    ///
    /// # Errors
    ///
    /// `Validation` that names the setting which is out of its range.
    pub fn validate(&self) -> Result<(), ServiceError> {
        let hour = Duration::from_secs(3600);
        let rules = [
            (
                self.failure_share > 0.0 && self.failure_share <= 1.0,
                "failure_share",
                "expected more than 0, up to 1",
            ),
            (self.min_calls > 0, "min_calls", "expected 1 or more"),
            (
                (Duration::from_millis(10)..=hour).contains(&self.window),
                "window",
                "expected 10 ms to an hour",
            ),
            (
                (Duration::from_millis(1)..=hour).contains(&self.open_for),
                "open_for",
                "expected 1 ms to an hour",
            ),
            (
                (1..=Self::MAX_PROBES).contains(&self.probes),
                "probes",
                "expected 1 to 1000",
            ),
        ];
        for (holds, field, expected) in rules {
            if !holds {
                let violation = Violation::new(format!("circuit_breaker.{field}"), expected);
                return Err(ServiceError::Validation(violation.into()));
            }
        }
        Ok(())
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::standard()
    }
}
