use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use super::Member;
use crate::circuit_breaker::{Admitted, Outcome};

/// An attempt that an endpoint's circuit let through. Dropped without an outcome it gives its right back.
///
/// Nothing but this and the layer may hold a reference to a member, as the references are what is counted as in flight.
pub(super) struct InFlight<E> {
    member: Arc<Member<E>>,
    /// Taken when it is settled.
    admitted: Option<Admitted>,
}

impl<E> InFlight<E> {
    /// `None` where the circuit is open, or has as many probes as it may.
    pub(super) fn begin(member: &Arc<Member<E>>, now: Instant) -> Option<Self> {
        let admitted = member.circuit.admit_at(now)?;
        if matches!(admitted, Admitted::Probe { .. }) {
            member.publish(now);
        }
        Some(Self {
            member: Arc::clone(member),
            admitted: Some(admitted),
        })
    }

    pub(super) fn member(&self) -> &Member<E> {
        &self.member
    }

    pub(super) fn settle(mut self, outcome: Outcome, now: Instant) {
        let Some(admitted) = self.admitted.take() else {
            return;
        };
        self.member.circuit.settle_at(admitted, outcome, now);
        let first = self.member.attempts() == 1;
        if first || outcome == Outcome::Failure || matches!(admitted, Admitted::Probe { .. }) {
            self.member.publish(now);
        }
    }
}

impl<E> Drop for InFlight<E> {
    fn drop(&mut self) {
        if let Some(probe @ Admitted::Probe { .. }) = self.admitted {
            let now = Instant::now();
            self.member.circuit.settle_at(probe, Outcome::Unknown, now);
        }
        self.member.finish();
    }
}

impl<E> fmt::Debug for InFlight<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("admitted", &self.admitted)
            .finish_non_exhaustive()
    }
}
