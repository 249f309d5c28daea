use std::time::Duration;

use nova_errors::{Effect, RetryPolicy, ServiceError, Violation};
use nova_models::Deadline;

use crate::bulkhead::BulkheadLayer;
use crate::circuit_breaker::CircuitBreaker;
use crate::retry::{RetryBudget, RetryLayer};

/// How calls are made, over HTTP as well as over gRPC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) deadline: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) concurrency_limit: Option<usize>,
}

impl Settings {
    pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

    /// Names the first setting that is out of its range.
    pub(crate) fn validate(&self) -> Result<(), ServiceError> {
        check_deadline(self.deadline)?;
        check_attempt_timeout(self.attempt_timeout)?;
        self.retry.validate()?;
        self.budget.map_or(Ok(()), |budget| budget.validate())?;
        self.breaker.map_or(Ok(()), |breaker| breaker.validate())?;
        self.concurrency_limit
            .map_or(Ok(()), BulkheadLayer::validate)
    }

    /// The retries, without a budget.
    pub(crate) fn retry_layer(&self) -> RetryLayer {
        RetryLayer::new(self.retry).attempt_timeout(self.attempt_timeout.min(Deadline::MAX))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Self::DEADLINE,
            attempt_timeout: RetryLayer::ATTEMPT_TIMEOUT,
            retry: RetryPolicy::standard(),
            budget: Some(RetryBudget::standard()),
            breaker: Some(CircuitBreaker::standard()),
            concurrency_limit: None,
        }
    }
}

pub(crate) fn check_deadline(deadline: Duration) -> Result<(), ServiceError> {
    if deadline.is_zero() || deadline > Deadline::MAX {
        let expected = "expected more than zero, and at most 24 hours";
        return Err(invalid("deadline", expected));
    }
    Ok(())
}

pub(crate) fn check_attempt_timeout(timeout: Duration) -> Result<(), ServiceError> {
    if timeout.is_zero() {
        return Err(invalid("attempt_timeout", "expected more than zero"));
    }
    Ok(())
}

/// A setting that nothing is sent with.
pub(crate) fn invalid(field: &str, expected: &'static str) -> ServiceError {
    let violation = Violation::new(field, expected);
    ServiceError::Validation(violation.into()).with_effect(Effect::None)
}
