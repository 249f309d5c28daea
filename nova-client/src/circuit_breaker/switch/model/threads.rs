use std::sync::Arc;

use loom::sync::atomic::AtomicU64;
use loom::thread;

use crate::circuit_breaker::CircuitBreaker;
use crate::circuit_breaker::state::State;
use crate::circuit_breaker::switch::{Outcome, Switch};

/// Past every opening that begins at 0.
const LATER: u64 = 6_001;

fn model(breaker: CircuitBreaker, check: impl Fn(Arc<Switch<AtomicU64>>) + Send + Sync + 'static) {
    loom::model(move || {
        // The checker repeats what it has seen, so chance must not tell one run from the next.
        fastrand::seed(7);
        check(Arc::new(Switch::new(breaker)));
    });
}

fn settle(switch: &Switch<AtomicU64>, now: u64, outcome: Outcome) -> bool {
    let Some(admitted) = switch.admit(|| now) else {
        return false;
    };
    switch.settle(admitted, outcome, || now);
    true
}

/// Opens it with the one failure that it takes.
fn open(switch: &Switch<AtomicU64>) {
    assert!(settle(switch, 0, Outcome::Failure));
    assert!(matches!(switch.state(), State::Open { .. }));
}

#[test]
fn failures_that_come_together_are_all_counted_and_open_it_at_the_minimum() {
    model(CircuitBreaker::standard().min_calls(3), |switch| {
        let callers = [(); 2].map(|()| {
            let switch = Arc::clone(&switch);
            thread::spawn(move || settle(&switch, 0, Outcome::Failure))
        });
        for caller in callers {
            assert!(caller.join().unwrap());
        }
        assert!(matches!(switch.state(), State::Closed { .. }));
        assert_eq!(switch.counts(0).failures, 2);
        settle(&switch, 0, Outcome::Failure);
        assert!(matches!(switch.state(), State::Open { .. }));
    });
}

#[test]
fn of_the_failures_that_reach_the_minimum_together_one_opens_it() {
    model(CircuitBreaker::standard().min_calls(2), |switch| {
        let other = Arc::clone(&switch);
        let other = thread::spawn(move || settle(&other, 0, Outcome::Failure));
        settle(&switch, 0, Outcome::Failure);
        other.join().unwrap();
        assert!(matches!(switch.state(), State::Open { .. }));
    });
}

#[test]
fn a_new_tick_of_the_window_loses_no_call_of_threads_that_begin_it_together() {
    model(CircuitBreaker::standard(), |switch| {
        settle(&switch, 0, Outcome::Success);
        // The same place in the window, ten ticks later.
        let callers = [Outcome::Success, Outcome::Failure].map(|outcome| {
            let switch = Arc::clone(&switch);
            thread::spawn(move || settle(&switch, 10_000, outcome))
        });
        for caller in callers {
            caller.join().unwrap();
        }
        let counts = switch.counts(10_000);
        assert_eq!((counts.calls, counts.failures), (2, 1));
    });
}

#[test]
fn callers_that_find_it_half_open_get_no_more_probes_than_there_are() {
    model(
        CircuitBreaker::standard().min_calls(1).probes(1),
        |switch| {
            open(&switch);
            let callers = [(); 2].map(|()| {
                let switch = Arc::clone(&switch);
                thread::spawn(move || switch.admit(|| LATER).is_some())
            });
            let mut admitted = usize::from(switch.admit(|| LATER).is_some());
            for caller in callers {
                admitted += usize::from(caller.join().unwrap());
            }
            assert_eq!(admitted, 1);
        },
    );
}

#[test]
fn a_probe_that_is_given_back_makes_room_and_nothing_gets_stuck() {
    model(
        CircuitBreaker::standard().min_calls(1).probes(1),
        |switch| {
            open(&switch);
            let other = Arc::clone(&switch);
            let other = thread::spawn(move || settle(&other, LATER, Outcome::Unknown));
            let admitted = settle(&switch, LATER, Outcome::Unknown);
            assert!(other.join().unwrap() || admitted, "somebody is the first");
            assert!(settle(&switch, LATER, Outcome::Success));
            assert!(matches!(switch.state(), State::Closed { .. }));
        },
    );
}

#[test]
fn of_a_probe_that_fails_and_one_that_succeeds_the_failure_decides() {
    model(
        CircuitBreaker::standard().min_calls(1).probes(2),
        |switch| {
            open(&switch);
            let [good, bad] = [(); 2].map(|()| switch.admit(|| LATER).unwrap());
            let other = Arc::clone(&switch);
            let other = thread::spawn(move || other.settle(bad, Outcome::Failure, || LATER));
            switch.settle(good, Outcome::Success, || LATER);
            other.join().unwrap();
            assert!(matches!(switch.state(), State::Open { until } if until > LATER));
        },
    );
}

#[test]
fn what_began_before_it_opened_neither_opens_nor_closes_it_later() {
    model(
        CircuitBreaker::standard().min_calls(2).probes(1),
        |switch| {
            let early = switch.admit(|| 0).unwrap();
            settle(&switch, 0, Outcome::Failure);
            settle(&switch, 0, Outcome::Failure);
            let other = Arc::clone(&switch);
            let other = thread::spawn(move || other.settle(early, Outcome::Failure, || LATER));
            assert!(settle(&switch, LATER, Outcome::Success));
            other.join().unwrap();
            assert!(matches!(switch.state(), State::Closed { since: LATER }));
            assert_eq!(switch.counts(LATER).failures, 0, "the window is empty");
        },
    );
}
