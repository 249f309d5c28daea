use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use nova_errors::ServiceError;
use tokio::time::Instant;

use super::future::outcome;
use super::state::State;
use super::switch::{self, Admitted, Outcome, Switch};
use super::{BreakerState, CircuitBreaker, CircuitOpen};

/// The state of one target: [`CircuitBreakerLayer::circuit`](super::CircuitBreakerLayer::circuit) hands it out, to be looked at, or to guard calls
/// that are no `tower` service.
///
/// It takes no lock, and turning a call away allocates nothing.
///
/// ```
/// use nova_client::circuit_breaker::{BreakerState, CircuitBreaker, CircuitBreakerLayer};
/// use nova_errors::ServiceError;
///
/// async fn ping() -> Result<(), ServiceError> {
///     Err(ServiceError::ServiceUnavailable("away".into()))
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), ServiceError> {
/// let layer = CircuitBreakerLayer::new(CircuitBreaker::standard().min_calls(1))?;
/// let circuit = layer.circuit();
///
/// let permit = circuit.permit()?;
/// let result = ping().await;
/// permit.settle(&result);
///
/// assert_eq!(circuit.state(), BreakerState::Open);
/// assert!(circuit.permit().is_err());
/// # Ok(())
/// # }
/// ```
pub struct Circuit {
    switch: Switch,
    origin: Instant,
    rejection: ServiceError,
    /// What it guards, for the log.
    name: Option<Box<str>>,
}

impl Circuit {
    pub(crate) fn new(breaker: CircuitBreaker) -> Self {
        Self {
            switch: Switch::new(breaker),
            origin: Instant::now(),
            rejection: CircuitOpen.into(),
            name: None,
        }
    }

    pub(crate) fn named(self, name: String) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// What it does with the next call.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.breaker_state(Instant::now())
    }

    /// The right to make one call.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` without effect, whose cause is [`CircuitOpen`], where the call is not to be made.
    #[inline]
    pub fn permit(&self) -> Result<Permit<&Self>, ServiceError> {
        Ok(Permit {
            circuit: self,
            admitted: Some(self.admit()?),
        })
    }

    #[inline]
    fn admit(&self) -> Result<Admitted, ServiceError> {
        self.switch
            .admit(|| self.millis_at(Instant::now()))
            .ok_or_else(|| self.rejection())
    }

    fn settle(&self, admitted: Admitted, outcome: Outcome) {
        let change = self
            .switch
            .settle(admitted, outcome, || self.millis_at(Instant::now()));
        self.log(change);
    }

    /// How a call is let through, if it is.
    #[inline]
    pub(crate) fn admit_at(&self, now: Instant) -> Option<Admitted> {
        self.switch.admit(|| self.millis_at(now))
    }

    /// Whether a call would be admitted; it takes nothing.
    pub(crate) fn admits_at(&self, now: Instant) -> bool {
        self.switch.admits(|| self.millis_at(now))
    }

    #[inline]
    pub(crate) fn settle_at(&self, admitted: Admitted, outcome: Outcome, now: Instant) {
        let change = self
            .switch
            .settle(admitted, outcome, || self.millis_at(now));
        self.log(change);
    }

    #[inline]
    fn log(&self, change: Option<BreakerState>) {
        let circuit = self.name.as_deref();
        match change {
            Some(BreakerState::Open) => tracing::warn!(circuit, "circuit breaker opened"),
            Some(BreakerState::Closed) => tracing::info!(circuit, "circuit breaker closed"),
            Some(BreakerState::HalfOpen) | None => {}
        }
    }

    /// The error of a call that is turned away; a reference count, no allocation.
    pub(crate) fn rejection(&self) -> ServiceError {
        self.rejection.clone()
    }

    pub(crate) fn breaker_state(&self, now: Instant) -> BreakerState {
        match self.switch.state() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if self.millis_at(now) < until => BreakerState::Open,
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// The failures in the window as a share of its calls; `None` where there are none.
    pub(crate) fn failure_share(&self, now: Instant) -> Option<f64> {
        let counts = self.switch.counts(self.millis_at(now));
        (counts.calls > 0).then(|| counts.failures as f64 / counts.calls as f64)
    }

    fn millis_at(&self, now: Instant) -> u64 {
        switch::millis(now.saturating_duration_since(self.origin))
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("state", &self.switch.state())
            .finish_non_exhaustive()
    }
}

/// The right to make one call. Dropped without a result it is given back.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is given back"]
pub struct Permit<C: Deref<Target = Circuit>> {
    circuit: C,
    /// Taken when it is settled.
    admitted: Option<Admitted>,
}

impl Permit<Arc<Circuit>> {
    /// A permit that outlives the borrow; a call that is turned away counts no reference.
    pub(super) fn shared(circuit: &Arc<Circuit>) -> Result<Self, ServiceError> {
        let admitted = Some(circuit.admit()?);
        Ok(Self {
            circuit: Arc::clone(circuit),
            admitted,
        })
    }
}

impl<C: Deref<Target = Circuit>> Permit<C> {
    /// Says how the call went: `Timeout`, `ServiceUnavailable` and `Internal` are failures of the target.
    pub fn settle<T>(mut self, result: &Result<T, ServiceError>) {
        if let Some(admitted) = self.admitted.take() {
            self.circuit.settle(admitted, outcome(result));
        }
    }
}

impl<C: Deref<Target = Circuit>> Drop for Permit<C> {
    fn drop(&mut self) {
        if let Some(admitted) = self.admitted.take() {
            self.circuit.settle(admitted, Outcome::Unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn open() -> Arc<Circuit> {
        let circuit = Arc::new(Circuit::new(CircuitBreaker::standard()));
        for _ in 0..20 {
            let away = Err::<(), _>(ServiceError::ServiceUnavailable("away".into()));
            circuit.permit().unwrap().settle(&away);
        }
        assert_eq!(circuit.state(), BreakerState::Open);
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_gives_its_permit_back() {
        let circuit = open();
        tokio::time::advance(Duration::from_secs(7)).await;
        for _ in 0..100 {
            let probes: Vec<_> = (0..3).map(|_| Permit::shared(&circuit)).collect();
            assert!(probes.iter().all(Result::is_ok));
            assert!(circuit.permit().is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_shows_is_what_it_does_with_the_next_call() {
        let circuit = open();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(circuit.state(), BreakerState::HalfOpen);
        for _ in 0..3 {
            circuit.permit().unwrap().settle(&Ok(()));
        }
        assert_eq!(circuit.state(), BreakerState::Closed);
        assert_eq!(circuit.failure_share(Instant::now()), None);
    }
}
