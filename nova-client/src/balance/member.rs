use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::Key;
use tokio::time::Instant;

use crate::atomic_word::OwnLine;
use crate::circuit_breaker::{Circuit, CircuitBreaker};
use crate::telemetry::set_gauge;

/// An endpoint with all that is known of it.
#[derive(Debug)]
pub(crate) struct Member<E> {
    pub(crate) endpoint: E,
    pub(crate) circuit: Circuit,
    finished: OwnLine<AtomicU64>,
    /// The gauge that shows the circuit's state.
    gauge: Option<Key>,
}

impl<E> Member<E> {
    pub(crate) fn new(endpoint: E, breaker: CircuitBreaker, gauge: Option<Key>) -> Self {
        Self {
            endpoint,
            circuit: Circuit::new(breaker),
            finished: OwnLine(AtomicU64::new(0)),
            gauge,
        }
    }

    pub(super) fn finish(&self) {
        self.finished.0.fetch_add(1, Relaxed);
    }

    /// The attempts that were let through.
    pub(crate) fn attempts(self: &Arc<Self>) -> u64 {
        self.finished.0.load(Relaxed) + self.in_flight()
    }

    /// The attempts that are not answered yet.
    pub(crate) fn in_flight(self: &Arc<Self>) -> u64 {
        // Each holds a reference, and one is the layer's: a count of its own would only be the same once more.
        Arc::strong_count(self).saturating_sub(1) as u64
    }

    /// Shows the circuit's state, after what may have changed it.
    pub(super) fn publish(&self, now: Instant) {
        if let Some(gauge) = &self.gauge {
            set_gauge(gauge, self.circuit.breaker_state(now).level());
        }
    }
}
