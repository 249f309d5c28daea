use std::ops::RangeInclusive;

use proptest::prelude::*;

use crate::circuit_breaker::CircuitBreaker;
use crate::circuit_breaker::state::State;
use crate::circuit_breaker::switch::{Admitted, Outcome, Switch, millis};

/// What the documentation promises, the slow way: it remembers every call.
struct Model {
    breaker: CircuitBreaker,
    phase: Phase,
    /// Counts the changes of phase: a call that began in another one decides nothing.
    changes: u32,
    /// The calls that counted since the circuit last closed: when, and whether they failed.
    calls: Vec<(u64, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Closed,
    /// It may be half open at some time in the range, and is from its end.
    Open {
        until: (u64, u64),
    },
    HalfOpen {
        in_flight: u16,
        succeeded: u16,
    },
}

/// A call that both let through.
#[derive(Debug, Clone, Copy)]
struct Running {
    admitted: Admitted,
    /// The model's change of phase in which it began.
    began: u32,
}

impl Model {
    fn new(breaker: CircuitBreaker) -> Self {
        Self {
            breaker,
            phase: Phase::Closed,
            changes: 0,
            calls: Vec::new(),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.changes += 1;
    }

    /// Whether a call is let through; `None` where chance decides.
    fn admits(&self, now: u64) -> Option<bool> {
        match self.phase {
            Phase::Open { until: (from, _) } if now < from => Some(false),
            Phase::Open { until: (_, to) } if now < to => None,
            Phase::Closed | Phase::Open { .. } => Some(true),
            Phase::HalfOpen {
                in_flight,
                succeeded,
            } => Some(in_flight + succeeded < self.breaker.probes),
        }
    }

    fn admitted(&mut self) {
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Open { .. } => self.enter(Phase::HalfOpen {
                in_flight: 1,
                succeeded: 0,
            }),
            Phase::HalfOpen { in_flight, .. } => *in_flight += 1,
        }
    }

    fn settled(&mut self, began: u32, outcome: Outcome, now: u64) {
        if began != self.changes {
            return;
        }
        match self.phase {
            Phase::Closed => {
                if outcome != Outcome::Unknown {
                    self.calls.push((now, outcome == Outcome::Failure));
                }
                if outcome == Outcome::Failure && self.has_failed_too_often(now) {
                    self.open(now);
                }
            }
            Phase::HalfOpen {
                in_flight,
                succeeded,
            } => match outcome {
                Outcome::Failure => self.open(now),
                Outcome::Success if succeeded + 1 == self.breaker.probes => {
                    self.calls.clear();
                    self.enter(Phase::Closed);
                }
                _ => {
                    self.phase = Phase::HalfOpen {
                        in_flight: in_flight - 1,
                        succeeded: succeeded + u16::from(outcome == Outcome::Success),
                    }
                }
            },
            Phase::Open { .. } => unreachable!("no call begins while it is open"),
        }
    }

    fn open(&mut self, now: u64) {
        let time = millis(self.breaker.open_for);
        let until = (now + time, now + time + time / 5);
        self.enter(Phase::Open { until });
    }

    fn has_failed_too_often(&self, now: u64) -> bool {
        let tick = millis(self.breaker.window) / 10;
        let recent = self
            .calls
            .iter()
            .filter(|(at, _)| now / tick - at / tick < 10);
        let calls = recent.clone().count();
        let failures = recent.filter(|(_, failed)| *failed).count();
        calls >= self.breaker.min_calls as usize
            && failures as f64 >= self.breaker.failure_share * calls as f64
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Admit,
    Settle(prop::sample::Index, Outcome),
    Wait(u64),
}

fn step(pauses: RangeInclusive<u64>) -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        1 => Just(Outcome::Unknown),
        3 => Just(Outcome::Success),
        6 => Just(Outcome::Failure),
    ];
    prop_oneof![
        4 => Just(Step::Admit),
        4 => (any::<prop::sample::Index>(), outcome).prop_map(|(at, outcome)| Step::Settle(at, outcome)),
        1 => pauses.prop_map(Step::Wait),
    ]
}

fn breaker() -> impl Strategy<Value = CircuitBreaker> {
    (
        1_u32..8,
        1_u16..4,
        prop::sample::select(vec![0.1, 0.5, 1.0]),
    )
        .prop_map(|(calls, probes, share)| {
            CircuitBreaker::standard()
                .min_calls(calls)
                .probes(probes)
                .failure_share(share)
        })
}

/// Follows a history with both, and compares all that can be seen.
struct Follower {
    switch: Switch,
    model: Model,
    running: Vec<Running>,
    now: u64,
}

impl Follower {
    fn new(breaker: CircuitBreaker) -> Self {
        Self {
            switch: Switch::new(breaker),
            model: Model::new(breaker),
            running: Vec::new(),
            now: 0,
        }
    }

    fn follow(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(millis) => self.now += millis,
            Step::Admit => {
                let expected = self.model.admits(self.now);
                let offered = self.switch.admits(|| self.now);
                let admitted = self.switch.admit(|| self.now);
                prop_assert_eq!(offered, admitted.is_some());
                prop_assert_eq!(expected.unwrap_or(offered), offered);
                if let Some(admitted) = admitted {
                    self.model.admitted();
                    let began = self.model.changes;
                    self.running.push(Running { admitted, began });
                }
            }
            Step::Settle(at, outcome) if !self.running.is_empty() => {
                let call = self.running.swap_remove(at.index(self.running.len()));
                self.settle(call, outcome);
            }
            Step::Settle(..) => {}
        }
        self.compare()
    }

    fn settle(&mut self, call: Running, outcome: Outcome) {
        self.switch.settle(call.admitted, outcome, || self.now);
        self.model.settled(call.began, outcome, self.now);
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        match (self.switch.state(), self.model.phase) {
            (State::Closed { .. }, Phase::Closed) => {}
            (State::Open { until }, Phase::Open { until: (from, to) }) => {
                prop_assert!((from..=to).contains(&until));
            }
            (
                State::HalfOpen {
                    in_flight,
                    succeeded,
                    ..
                },
                Phase::HalfOpen {
                    in_flight: probes,
                    succeeded: successes,
                },
            ) => {
                prop_assert_eq!((in_flight, succeeded), (probes, successes));
                let of_this_phase = |call: &&Running| call.began == self.model.changes;
                let running = self.running.iter().filter(of_this_phase).count();
                prop_assert_eq!(running, usize::from(in_flight));
            }
            (state, phase) => prop_assert!(false, "{state:?} where {phase:?} was expected"),
        }
        Ok(())
    }

    /// Whatever has happened: when its calls are given up and the target is well, it closes.
    fn recover(mut self) -> Result<(), TestCaseError> {
        for call in std::mem::take(&mut self.running) {
            self.settle(call, Outcome::Unknown);
        }
        self.now += 10_000;
        for _ in 0..self.model.breaker.probes {
            self.follow(Step::Admit)?;
            let call = self.running.pop();
            prop_assert!(call.is_some(), "it is stuck");
            if let Some(call) = call {
                self.settle(call, Outcome::Success);
            }
        }
        self.compare()?;
        prop_assert_eq!(self.model.phase, Phase::Closed);
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_history_goes_as_the_model_says_and_ends_well(
        breaker in breaker(),
        steps in prop::collection::vec(step(0..=4_000), 0..200),
    ) {
        let mut follower = Follower::new(breaker);
        for step in steps {
            follower.follow(step)?;
        }
        follower.recover()?;
    }

    #[test]
    fn histories_within_a_millisecond_do_too(
        breaker in breaker(),
        steps in prop::collection::vec(step(0..=1), 0..200),
    ) {
        let mut follower = Follower::new(breaker.open_for(std::time::Duration::from_millis(1)));
        for step in steps {
            follower.follow(step)?;
        }
        follower.recover()?;
    }

    #[test]
    fn the_standard_one_never_opens_under_twenty_calls_in_ten_seconds(
        outcomes in prop::collection::vec((0_u64..2_000, any::<bool>()), 0..300),
    ) {
        let switch = Switch::<std::sync::atomic::AtomicU64>::new(CircuitBreaker::standard());
        let mut now = 0;
        let mut calls = Vec::new();
        for (pause, failed) in outcomes {
            now += pause;
            let Some(admitted) = switch.admit(|| now) else {
                let opened: u64 = calls.last().copied().unwrap_or_default();
                let recent = calls.iter().filter(|at| opened - **at <= 10_000).count();
                prop_assert!(recent >= 20, "{recent} calls");
                return Ok(());
            };
            calls.push(now);
            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
            switch.settle(admitted, outcome, || now);
        }
    }
}
