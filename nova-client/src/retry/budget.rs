use nova_errors::{ServiceError, Violation};

use super::Ledger;

/// How much may be retried, so that an outage is not met with a multiple of the traffic.
///
/// The law is *retries ≤ ratio × calls + floor × time + burst*, for any ratio. What is not used is saved, up to 100
/// retries or the burst where that is more: a long calm does not pay for a storm.
///
/// ```
/// use nova_client::retry::RetryBudget;
///
/// let budget = RetryBudget::standard().ratio(0.1);
/// assert!(budget.validate().is_ok());
/// assert!(budget.ratio(1.5).validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    pub(super) ratio: f64,
    pub(super) floor_per_second: u32,
    pub(super) burst: u32,
}

impl RetryBudget {
    /// 20 % of the calls, 10 a second, and a burst of 10.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            ratio: 0.2,
            floor_per_second: 10,
            burst: 10,
        }
    }

    /// Sets the retries that a call pays for: 0 to 1, kept to nine digits.
    #[must_use]
    pub const fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Sets the retries a second that are there without any call, for clients that call seldom.
    #[must_use]
    pub const fn floor_per_second(mut self, retries: u32) -> Self {
        self.floor_per_second = retries;
        self
    }

    /// Sets the retries that are there from the start.
    #[must_use]
    pub const fn burst(mut self, retries: u32) -> Self {
        self.burst = retries;
        self
    }

    /// A ledger of its own, of which the burst is there at first.
    ///
    /// # Errors
    ///
    /// `Validation` where the ratio is no number from 0 to 1.
    pub fn ledger(self) -> Result<Ledger, ServiceError> {
        self.validate()?;
        Ok(Ledger::new(self))
    }

    /// Checks the settings; whoever takes a budget calls this when it is built.
    ///
    /// # Errors
    ///
    /// `Validation` where the ratio is no number from 0 to 1.
    pub fn validate(&self) -> Result<(), ServiceError> {
        if (0.0..=1.0).contains(&self.ratio) {
            return Ok(());
        }
        let violation = Violation::new(
            "retry_budget.ratio",
            format!("expected 0 to 1, got {}", self.ratio),
        );
        Err(ServiceError::Validation(violation.into()))
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::standard()
    }
}
