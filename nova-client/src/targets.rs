use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use nova_models::ServiceName;
use tokio::sync::Semaphore;

use crate::circuit_breaker::{Circuit, CircuitBreaker};
use crate::retry::{Ledger, RetryBudget};

/// What a client remembers of each target, found without a lock.
///
/// It has room for some 256 targets: names may come from outside, and nothing that grows with them may be unbounded. The targets that find no place
/// share one state.
pub(crate) struct Targets {
    slots: Box<[OnceLock<(ServiceName, Target)>]>,
    hasher: RandomState,
    budget: Option<RetryBudget>,
    breaker: Option<CircuitBreaker>,
    concurrency_limit: Option<usize>,
    rest: Target,
}

/// The state of one target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) circuit: Option<Arc<Circuit>>,
    pub(crate) permits: Option<Arc<Semaphore>>,
}

impl Targets {
    const SLOTS: usize = 256;
    /// How many slots are looked at for one name.
    const PROBES: usize = 16;

    pub(crate) fn new(
        budget: Option<RetryBudget>,
        breaker: Option<CircuitBreaker>,
        concurrency_limit: Option<usize>,
    ) -> Self {
        Self {
            slots: (0..Self::SLOTS).map(|_| OnceLock::new()).collect(),
            hasher: RandomState::new(),
            budget,
            breaker,
            concurrency_limit,
            rest: Target::new(budget, breaker, concurrency_limit),
        }
    }

    pub(crate) fn get(&self, name: &ServiceName) -> &Target {
        // The low bits of the hash are as good as any.
        let start = self.hasher.hash_one(name) as usize % Self::SLOTS;
        let slots = self.slots.iter().cycle().skip(start).take(Self::PROBES);
        for slot in slots {
            let (owner, target) = slot.get_or_init(|| {
                (
                    name.clone(),
                    Target::new(self.budget, self.breaker, self.concurrency_limit),
                )
            });
            if owner == name {
                return target;
            }
        }
        &self.rest
    }
}

impl Target {
    fn new(
        budget: Option<RetryBudget>,
        breaker: Option<CircuitBreaker>,
        concurrency_limit: Option<usize>,
    ) -> Self {
        Self {
            ledger: budget.map(|budget| Arc::new(Ledger::new(budget))),
            circuit: breaker.map(|breaker| Arc::new(Circuit::new(breaker))),
            permits: concurrency_limit.map(|limit| Arc::new(Semaphore::new(limit))),
        }
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets")
            .field("budget", &self.budget)
            .field("breaker", &self.breaker)
            .field("concurrency_limit", &self.concurrency_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ServiceName {
        format!("service-{number}").parse().unwrap()
    }

    #[test]
    fn a_target_keeps_its_state_and_too_many_share_one() {
        let targets = Targets::new(Some(RetryBudget::standard()), None, None);
        let first = std::ptr::from_ref(targets.get(&name(0)));
        let rest = std::ptr::from_ref(&targets.rest);
        let shared = (0..10_000)
            .filter(|number| std::ptr::eq(targets.get(&name(*number)), rest))
            .count();
        assert!(shared >= 10_000 - Targets::SLOTS);
        assert!(std::ptr::eq(targets.get(&name(0)), first));
        assert!(!std::ptr::eq(targets.get(&name(0)), rest));
    }
}
