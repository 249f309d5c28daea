use std::error::Error;
use std::fmt;

use nova_errors::{Effect, Origin, ServiceError};

/// The cause of a call that a circuit breaker turned away; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitOpen;

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the circuit breaker is open")
    }
}

impl Error for CircuitOpen {}

impl From<CircuitOpen> for ServiceError {
    /// `ServiceUnavailable` without effect, of which callers are told that it is not retryable.
    fn from(open: CircuitOpen) -> Self {
        Self::ServiceUnavailable("the target has failed too often".into())
            .with_origin(Origin::Local)
            .with_effect(Effect::None)
            .with_retries_spent()
            .with_source(open)
    }
}
