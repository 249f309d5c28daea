/// What a circuit breaker does with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// Lets it through.
    Closed,
    /// Turns it away.
    Open,
    /// Lets it through as a probe, while there are not as many in flight as there may be.
    HalfOpen,
}

impl BreakerState {
    /// The value of the gauge `nova_client_breaker_state`: 0 closed, 1 half open, 2 open, so that more is worse.
    pub(crate) fn level(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}
