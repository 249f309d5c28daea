use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::state::State;
use super::window::{Counts, Window};
use super::{BreakerState, CircuitBreaker};
use crate::atomic_word::{AtomicWord, OwnLine};

/// What a call said of the target's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// Nothing: it was given up.
    Unknown,
}

/// How a call was let through, with which it has to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// By the closed circuit, whose word this is: it counts as long as that stands.
    Closed(u64),
    /// As a probe of the half-open phase that began then.
    Probe { since: u64 },
}

/// Decides which calls are let through. It knows no clock: times are milliseconds from some origin.
///
/// Every step of the state is one compare-and-swap of one word; the window beside it only counts.
#[derive(Debug)]
pub(super) struct Switch<A = AtomicU64> {
    breaker: CircuitBreaker,
    state: OwnLine<A>,
    window: Window<A>,
}

impl<A: AtomicWord> Switch<A> {
    pub(super) fn new(breaker: CircuitBreaker) -> Self {
        Self {
            breaker,
            state: OwnLine(A::new(State::Closed { since: 0 }.pack())),
            window: Window::new(millis(breaker.window)),
        }
    }

    pub(super) fn state(&self) -> State {
        State::unpack(self.state.0.load(Ordering::Acquire))
    }

    pub(super) fn counts(&self, now: u64) -> Counts {
        self.window.counts(now)
    }

    /// Whether a call would be admitted; it takes nothing.
    pub(super) fn admits(&self, now: impl FnOnce() -> u64) -> bool {
        match self.state() {
            State::Closed { .. } => true,
            State::Open { until } => now() >= until,
            State::HalfOpen {
                in_flight,
                succeeded,
                ..
            } => in_flight + succeeded < self.breaker.probes,
        }
    }

    /// Lets a call through, or not. The clock is read only where it decides.
    pub(super) fn admit(&self, now: impl Fn() -> u64) -> Option<Admitted> {
        let mut word = self.state.0.load(Ordering::Acquire);
        loop {
            let (since, in_flight, succeeded) = match State::unpack(word) {
                State::Closed { .. } => return Some(Admitted::Closed(word)),
                State::Open { until } => {
                    let now = now();
                    if now < until {
                        return None;
                    }
                    (now, 0, 0)
                }
                State::HalfOpen {
                    since,
                    in_flight,
                    succeeded,
                } if in_flight + succeeded < self.breaker.probes => (since, in_flight, succeeded),
                State::HalfOpen { .. } => return None,
            };
            let next = State::HalfOpen {
                since,
                in_flight: in_flight + 1,
                succeeded,
            };
            match self.swap(word, next) {
                Ok(()) => return Some(Admitted::Probe { since }),
                Err(changed) => word = changed,
            }
        }
    }

    /// Counts how a call went; what the circuit became by it, where it opened or closed.
    pub(super) fn settle(
        &self,
        admitted: Admitted,
        outcome: Outcome,
        now: impl Fn() -> u64,
    ) -> Option<BreakerState> {
        match admitted {
            Admitted::Probe { since } => self.settle_probe(since, outcome, now),
            // What happened since makes the others stale.
            Admitted::Closed(word)
                if outcome != Outcome::Unknown && self.state.0.load(Ordering::Acquire) == word =>
            {
                self.count(word, outcome, now())
            }
            Admitted::Closed(_) => None,
        }
    }

    /// A thread that is held up before this counts into the next window: one call, which the minimum outweighs.
    fn count(&self, word: u64, outcome: Outcome, now: u64) -> Option<BreakerState> {
        self.window.record(now, outcome == Outcome::Failure);
        let opens = outcome == Outcome::Failure
            && self.too_many_failures(now)
            && self.swap(word, self.opened(now)).is_ok();
        opens.then_some(BreakerState::Open)
    }

    fn too_many_failures(&self, now: u64) -> bool {
        let counts = self.counts(now);
        let share = self.breaker.failure_share * counts.calls as f64;
        counts.calls >= u64::from(self.breaker.min_calls) && counts.failures as f64 >= share
    }

    fn settle_probe(
        &self,
        phase: u64,
        outcome: Outcome,
        now: impl Fn() -> u64,
    ) -> Option<BreakerState> {
        let mut word = self.state.0.load(Ordering::Acquire);
        loop {
            let State::HalfOpen {
                since,
                in_flight,
                succeeded,
            } = State::unpack(word)
            else {
                return None;
            };
            if since != phase {
                return None;
            }
            let succeeded = succeeded + u16::from(outcome == Outcome::Success);
            let next = match outcome {
                Outcome::Failure => self.opened(now()),
                Outcome::Success if succeeded >= self.breaker.probes => {
                    // Nobody counts while the circuit is half open.
                    self.window.clear();
                    State::Closed { since: now() }
                }
                _ => State::HalfOpen {
                    since,
                    in_flight: in_flight.saturating_sub(1),
                    succeeded,
                },
            };
            match self.swap(word, next) {
                Ok(()) => {
                    // A circuit that opens again was open for everybody but its probes.
                    let closed = matches!(next, State::Closed { .. });
                    return closed.then_some(BreakerState::Closed);
                }
                Err(changed) => word = changed,
            }
        }
    }

    fn opened(&self, now: u64) -> State {
        let time = millis(self.breaker.open_for);
        State::Open {
            until: now + time + fastrand::u64(0..=time / 5),
        }
    }

    fn swap(&self, current: u64, next: State) -> Result<(), u64> {
        self.state
            .0
            .compare_exchange(current, next.pack(), Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1000);
    seconds.saturating_add(u64::from(duration.subsec_millis()))
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
