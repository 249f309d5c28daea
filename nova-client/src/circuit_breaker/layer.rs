use std::sync::Arc;

use nova_errors::ServiceError;
use tower_layer::Layer;

use super::{Circuit, CircuitBreaker, CircuitBreakerService};

/// Makes a [`CircuitBreakerService`] of a service. What one layer makes shares one circuit.
#[derive(Debug, Clone)]
pub struct CircuitBreakerLayer {
    circuit: Arc<Circuit>,
}

impl CircuitBreakerLayer {
    /// A layer with a circuit that is closed.
    ///
    /// # Errors
    ///
    /// `Validation` where a setting is out of its range.
    pub fn new(breaker: CircuitBreaker) -> Result<Self, ServiceError> {
        breaker.validate()?;
        Ok(Self {
            circuit: Arc::new(Circuit::new(breaker)),
        })
    }

    /// The circuit of all the services that this layer makes.
    #[must_use]
    pub fn circuit(&self) -> &Arc<Circuit> {
        &self.circuit
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreakerService<S>;

    fn layer(&self, inner: S) -> CircuitBreakerService<S> {
        CircuitBreakerService::new(inner, Some(Arc::clone(&self.circuit)))
    }
}
