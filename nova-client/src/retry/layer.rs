use std::sync::Arc;
use std::time::Duration;

use nova_errors::{RetryPolicy, ServiceError};
use tower_layer::Layer;

use super::{Account, Retry, RetryBudget};

/// Makes a [`Retry`] of a service. What one layer makes shares one budget.
#[derive(Debug, Clone)]
pub struct RetryLayer {
    pub(super) policy: RetryPolicy,
    pub(super) attempt_timeout: Duration,
    pub(super) account: Option<Arc<Account>>,
}

impl RetryLayer {
    /// What an attempt may take unless set: 2 s.
    pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

    /// Retries by `policy`, without a budget.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            attempt_timeout: Self::ATTEMPT_TIMEOUT,
            account: None,
        }
    }

    /// Sets what an attempt may take; [`AttemptTimeout`](crate::attempt_timeout::AttemptTimeout) below enforces it.
    ///
    /// It holds for calls that are idempotent: giving up early buys the others no second attempt, so they get all that is left.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets a budget, of which the burst is there at first.
    ///
    /// # Errors
    ///
    /// `Validation` where a setting is out of its range.
    pub fn budget(self, budget: RetryBudget) -> Result<Self, ServiceError> {
        budget.validate()?;
        Ok(self.account(Arc::new(Account::new(Some(budget)))))
    }

    pub(crate) fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    pub(crate) fn account(mut self, account: Arc<Account>) -> Self {
        self.account = Some(account);
        self
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry::new(inner, self.clone())
    }
}
