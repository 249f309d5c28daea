use std::sync::Arc;

use nova_errors::{ServiceError, Violation};
use tower_layer::Layer;

use super::{Balance, Member};
use crate::circuit_breaker::CircuitBreaker;

/// Makes a [`Balance`] of a service. What one layer makes shares the circuits and the counts of the endpoints.
#[derive(Debug, Clone)]
pub struct BalanceLayer<E> {
    members: Arc<[Arc<Member<E>>]>,
}

impl<E> BalanceLayer<E> {
    /// The most endpoints of a target: 64.
    pub const MAX_ENDPOINTS: usize = 64;

    /// Spreads over `endpoints`, 1 to [`MAX_ENDPOINTS`](Self::MAX_ENDPOINTS), each with a circuit that is closed.
    ///
    /// # Errors
    ///
    /// `Validation` where there are no endpoints or too many, or a setting of the breaker is out of its range.
    pub fn new(
        endpoints: impl IntoIterator<Item = E>,
        breaker: CircuitBreaker,
    ) -> Result<Self, ServiceError> {
        breaker.validate()?;
        // One more than there may be shows that there are too many, also where they have no end.
        let members: Vec<_> = endpoints
            .into_iter()
            .take(Self::MAX_ENDPOINTS + 1)
            .map(|endpoint| Member::new(endpoint, breaker, None))
            .collect();
        Self::validate(members.len())?;
        Ok(Self::of(members))
    }

    pub(crate) fn of(members: impl IntoIterator<Item = Member<E>>) -> Self {
        Self {
            members: members.into_iter().map(Arc::new).collect(),
        }
    }

    pub(crate) fn validate(endpoints: usize) -> Result<(), ServiceError> {
        if (1..=Self::MAX_ENDPOINTS).contains(&endpoints) {
            return Ok(());
        }
        let expected = format!("expected 1 to {} endpoints", Self::MAX_ENDPOINTS);
        Err(ServiceError::Validation(
            Violation::new("endpoints", expected).into(),
        ))
    }

    pub(crate) fn members(&self) -> &[Arc<Member<E>>] {
        &self.members
    }
}

impl<S, E> Layer<S> for BalanceLayer<E> {
    type Service = Balance<S, E>;

    fn layer(&self, inner: S) -> Balance<S, E> {
        Balance::new(inner, Arc::clone(&self.members))
    }
}
