use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nova_errors::ServiceError;
use tokio::time::Instant;

use super::state::State;
use super::window::Window;
use super::{CircuitBreaker, CircuitOpen};

/// The state of one target. It takes no lock, and turning a call away allocates nothing.
#[derive(Debug)]
pub(crate) struct Circuit {
    breaker: CircuitBreaker,
    origin: Instant,
    state: AtomicU64,
    window: Window,
    rejection: ServiceError,
}

/// What a call said of the target's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// Nothing: it was given up.
    Unknown,
}

/// The right to make one call. Dropped without an outcome it is given back.
#[derive(Debug)]
pub(super) struct Permit {
    circuit: Arc<Circuit>,
    state: State,
}

impl Circuit {
    pub(crate) fn new(breaker: CircuitBreaker) -> Self {
        Self {
            breaker,
            origin: Instant::now(),
            state: AtomicU64::new(State::Closed { since: 0 }.pack()),
            window: Window::new(millis(breaker.window)),
            rejection: CircuitOpen.into(),
        }
    }

    pub(super) fn permit(circuit: &Arc<Self>, now: Instant) -> Result<Permit, ServiceError> {
        match circuit.admit(circuit.millis_at(now)) {
            Some(state) => Ok(Permit {
                circuit: Arc::clone(circuit),
                state,
            }),
            None => Err(circuit.rejection.clone()),
        }
    }

    /// The state in which a call is admitted.
    fn admit(&self, now: u64) -> Option<State> {
        let mut word = self.state.load(Ordering::Acquire);
        loop {
            let next = match State::unpack(word) {
                closed @ State::Closed { .. } => return Some(closed),
                State::Open { until } if now < until => return None,
                State::Open { .. } => State::HalfOpen {
                    since: now,
                    in_flight: 1,
                    succeeded: 0,
                },
                State::HalfOpen {
                    since,
                    in_flight,
                    succeeded,
                } if in_flight + succeeded < self.breaker.probes => State::HalfOpen {
                    since,
                    in_flight: in_flight + 1,
                    succeeded,
                },
                State::HalfOpen { .. } => return None,
            };
            match self.swap(word, next) {
                Ok(()) => return Some(next),
                Err(changed) => word = changed,
            }
        }
    }

    fn settle(&self, admitted: State, outcome: Outcome, now: u64) {
        match admitted {
            State::HalfOpen { since, .. } => self.settle_probe(since, outcome, now),
            closed if outcome != Outcome::Unknown => self.count(closed, outcome, now),
            _ => {}
        }
    }

    /// Counts a call that began when the circuit was closed; what happened since makes it stale.
    fn count(&self, closed: State, outcome: Outcome, now: u64) {
        let word = closed.pack();
        if self.state.load(Ordering::Acquire) != word {
            return;
        }
        self.window.record(now, outcome == Outcome::Failure);
        if outcome == Outcome::Failure && self.too_many_failures(now) {
            let opened = self.swap(word, self.opened(now));
            if opened.is_ok() {
                tracing::warn!("circuit breaker opened");
            }
        }
    }

    fn too_many_failures(&self, now: u64) -> bool {
        let counts = self.window.counts(now);
        let share = self.breaker.failure_share * counts.calls as f64;
        counts.calls >= u64::from(self.breaker.min_calls) && counts.failures as f64 >= share
    }

    fn settle_probe(&self, phase: u64, outcome: Outcome, now: u64) {
        let mut word = self.state.load(Ordering::Acquire);
        loop {
            let State::HalfOpen {
                since,
                in_flight,
                succeeded,
            } = State::unpack(word)
            else {
                return;
            };
            if since != phase {
                return;
            }
            let succeeded = succeeded + u16::from(outcome == Outcome::Success);
            let next = match outcome {
                Outcome::Failure => self.opened(now),
                Outcome::Success if succeeded >= self.breaker.probes => {
                    // Nobody counts while the circuit is half open.
                    self.window.clear();
                    State::Closed { since: now }
                }
                _ => State::HalfOpen {
                    since,
                    in_flight: in_flight.saturating_sub(1),
                    succeeded,
                },
            };
            match self.swap(word, next) {
                Ok(()) => {
                    if matches!(next, State::Closed { .. }) {
                        tracing::info!("circuit breaker closed");
                    }
                    return;
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
            .compare_exchange(current, next.pack(), Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
    }

    fn millis_at(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.origin))
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Permit {
    pub(super) fn settle(mut self, outcome: Outcome, now: Instant) {
        let now = self.circuit.millis_at(now);
        // What is dropped after this gives nothing back.
        let admitted = mem::replace(&mut self.state, State::Closed { since: 0 });
        self.circuit.settle(admitted, outcome, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.circuit.settle(self.state, Outcome::Unknown, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    fn circuit() -> Circuit {
        Circuit::new(CircuitBreaker::standard())
    }

    fn run(circuit: &Circuit, now: u64, outcome: Outcome) {
        let admitted = circuit.admit(now).unwrap();
        circuit.settle(admitted, outcome, now);
    }

    fn open(circuit: &Circuit, now: u64) {
        for _ in 0..20 {
            run(circuit, now, Outcome::Failure);
        }
        assert_eq!(circuit.admit(now), None);
    }

    #[test]
    fn it_does_not_open_under_the_minimum_of_calls() {
        let circuit = circuit();
        for _ in 0..19 {
            run(&circuit, 0, Outcome::Failure);
        }
        assert!(circuit.admit(0).is_some());
        run(&circuit, 0, Outcome::Failure);
        assert_eq!(circuit.admit(0), None);
    }

    #[test]
    fn it_opens_at_the_share_of_the_window_and_not_below() {
        let circuit = circuit();
        for _ in 0..100 {
            run(&circuit, 0, Outcome::Success);
        }
        for _ in 0..99 {
            run(&circuit, 0, Outcome::Failure);
        }
        assert!(circuit.admit(0).is_some());
        run(&circuit, 0, Outcome::Failure);
        assert_eq!(circuit.admit(0), None);
    }

    #[test]
    fn failures_that_are_long_past_do_not_count() {
        let circuit = circuit();
        for at in 0..200 {
            run(&circuit, at * 1000, Outcome::Failure);
        }
        assert!(circuit.admit(200_000).is_some());
    }

    #[test]
    fn it_is_half_open_after_its_time_and_closes_with_an_empty_window() {
        let circuit = circuit();
        open(&circuit, 0);
        assert_eq!(circuit.admit(4_999), None);
        for _ in 0..3 {
            run(&circuit, 6_001, Outcome::Success);
        }
        // One failure more would open it again if the old ones were still there.
        run(&circuit, 6_001, Outcome::Failure);
        assert!(matches!(circuit.admit(6_001), Some(State::Closed { .. })));
    }

    #[test]
    fn a_probe_that_fails_opens_it_again() {
        let circuit = circuit();
        open(&circuit, 0);
        run(&circuit, 6_001, Outcome::Failure);
        assert_eq!(circuit.admit(11_000), None);
        assert!(circuit.admit(12_002).is_some());
    }

    #[test]
    fn what_began_before_the_circuit_opened_decides_nothing_later() {
        let circuit = circuit();
        let early = circuit.admit(0).unwrap();
        open(&circuit, 0);
        for _ in 0..3 {
            run(&circuit, 6_001, Outcome::Success);
        }
        for _ in 0..100 {
            circuit.settle(early, Outcome::Failure, 6_001);
        }
        assert!(circuit.admit(6_001).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_gives_its_permit_back() {
        let circuit = Arc::new(circuit());
        open(&circuit, 0);
        let later = Instant::now() + Duration::from_secs(7);
        for _ in 0..100 {
            let probes: Vec<_> = (0..3).map(|_| Circuit::permit(&circuit, later)).collect();
            assert!(probes.iter().all(Result::is_ok));
            assert!(Circuit::permit(&circuit, later).is_err());
        }
    }

    #[test]
    fn a_hundred_callers_get_no_more_probes_than_there_are() {
        let circuit = circuit();
        open(&circuit, 0);
        let admitted = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    if circuit.admit(6_001).is_some() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(admitted.into_inner(), 3);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Admit,
        Settle(usize, u8),
        Time(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Admit),
            3 => (0_usize..8, 0_u8..6).prop_map(|(at, outcome)| Step::Settle(at, outcome)),
            1 => (0_u64..4_000).prop_map(Step::Time),
        ]
    }

    proptest! {
        #[test]
        fn in_any_order_of_events_probes_are_bounded_and_the_circuit_can_always_close(
            steps in proptest::collection::vec(step(), 0..300),
        ) {
            let circuit = Circuit::new(CircuitBreaker::standard().min_calls(4).probes(2));
            let mut now = 0;
            let mut running: Vec<State> = Vec::new();
            for step in steps {
                match step {
                    Step::Time(millis) => now += millis,
                    Step::Admit => running.extend(circuit.admit(now)),
                    Step::Settle(at, outcome) if !running.is_empty() => {
                        let admitted = running.swap_remove(at % running.len());
                        let outcome = match outcome {
                            0 => Outcome::Unknown,
                            1 | 2 => Outcome::Success,
                            _ => Outcome::Failure,
                        };
                        circuit.settle(admitted, outcome, now);
                    }
                    Step::Settle(..) => {}
                }
                if let State::HalfOpen { since, in_flight, succeeded } =
                    State::unpack(circuit.state.load(Ordering::Acquire))
                {
                    let of_this_phase = |state: &&State| matches!(state, State::HalfOpen { since: s, .. } if *s == since);
                    let probes = running.iter().filter(of_this_phase).count();
                    prop_assert_eq!(probes, usize::from(in_flight));
                    prop_assert!(in_flight + succeeded <= 2);
                }
            }
            for admitted in running {
                circuit.settle(admitted, Outcome::Unknown, now);
            }
            now += 10_000;
            for _ in 0..2 {
                run(&circuit, now, Outcome::Success);
            }
            let closed = matches!(circuit.admit(now), Some(State::Closed { .. }));
            prop_assert!(closed);
        }
    }
}
