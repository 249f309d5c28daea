use std::sync::atomic::AtomicU32;

use super::*;

fn switch() -> Switch {
    Switch::new(CircuitBreaker::standard())
}

fn run(switch: &Switch, now: u64, outcome: Outcome) {
    let admitted = switch.admit(|| now).unwrap();
    switch.settle(admitted, outcome, || now);
}

fn open(switch: &Switch, now: u64) {
    for _ in 0..20 {
        run(switch, now, Outcome::Failure);
    }
    assert_eq!(switch.admit(|| now), None);
}

#[test]
fn it_does_not_open_under_the_minimum_of_calls() {
    let switch = switch();
    for _ in 0..19 {
        run(&switch, 0, Outcome::Failure);
    }
    assert!(switch.admit(|| 0).is_some());
    run(&switch, 0, Outcome::Failure);
    assert_eq!(switch.admit(|| 0), None);
}

#[test]
fn it_opens_at_the_share_of_the_window_and_not_below() {
    let switch = switch();
    for _ in 0..100 {
        run(&switch, 0, Outcome::Success);
    }
    for _ in 0..99 {
        run(&switch, 0, Outcome::Failure);
    }
    assert!(switch.admit(|| 0).is_some());
    run(&switch, 0, Outcome::Failure);
    assert_eq!(switch.admit(|| 0), None);
}

#[test]
fn failures_that_are_long_past_do_not_count() {
    let switch = switch();
    for at in 0..200 {
        run(&switch, at * 1000, Outcome::Failure);
    }
    assert!(switch.admit(|| 200_000).is_some());
}

#[test]
fn it_is_half_open_after_its_time_and_closes_with_an_empty_window() {
    let switch = switch();
    open(&switch, 0);
    assert_eq!(switch.admit(|| 4_999), None);
    for _ in 0..3 {
        run(&switch, 6_001, Outcome::Success);
    }
    // One failure more would open it again if the old ones were still there.
    run(&switch, 6_001, Outcome::Failure);
    assert!(matches!(switch.state(), State::Closed { .. }));
}

#[test]
fn a_probe_that_fails_opens_it_again() {
    let switch = switch();
    open(&switch, 0);
    run(&switch, 6_001, Outcome::Failure);
    assert_eq!(switch.admit(|| 11_000), None);
    assert!(switch.admit(|| 12_002).is_some());
}

#[test]
fn what_began_before_the_circuit_opened_decides_nothing_later() {
    let switch = switch();
    let early = switch.admit(|| 0).unwrap();
    open(&switch, 0);
    for _ in 0..3 {
        run(&switch, 6_001, Outcome::Success);
    }
    for _ in 0..100 {
        switch.settle(early, Outcome::Failure, || 6_001);
    }
    assert!(switch.admit(|| 6_001).is_some());
}

#[test]
fn the_clock_is_not_asked_while_the_circuit_is_closed() {
    let switch = switch();
    let admitted = switch.admit(|| unreachable!("closed"));
    assert!(admitted.is_some());
    assert!(switch.admits(|| unreachable!("closed")));
}

#[test]
fn a_hundred_callers_get_no_more_probes_than_there_are() {
    let switch = switch();
    open(&switch, 0);
    let admitted = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                if switch.admit(|| 6_001).is_some() {
                    admitted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 3);
}
