use std::sync::Arc;

use tokio::time::Instant;

use crate::balance::Member;
use crate::circuit_breaker::BreakerState;
use crate::peer::Peer;

/// An endpoint of a target at a moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Its URL, which holds no credentials.
    pub url: String,
    /// What its circuit breaker does with the next attempt; always closed without one.
    pub breaker: BreakerState,
    /// The attempts since the client was made.
    pub attempts: u64,
    /// The attempts that are not answered yet.
    pub in_flight: u64,
    /// The failures in the breaker's window as a share of its calls, 0 to 1; `None` where there was none in it.
    pub failure_share: Option<f64>,
}

impl EndpointStats {
    pub(super) fn of(member: &Arc<Member<Arc<Peer>>>, now: Instant) -> Self {
        Self {
            url: member.endpoint.url().to_string(),
            breaker: member.circuit.breaker_state(now),
            attempts: member.attempts(),
            in_flight: member.in_flight(),
            failure_share: member.circuit.failure_share(now),
        }
    }
}
