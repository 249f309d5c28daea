use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::RetryBudget;
use crate::atomic_word::{AtomicWord, OwnLine};

/// One retry. A second has as many nanoseconds, so that the floor adds itself once per nanosecond.
pub(super) const RETRY: u64 = 1_000_000_000;

/// The most retries that are saved up, unless the burst is more.
const MAX_SAVED: u32 = 100;

/// Keeps what is left of a budget, in parts of a retry. It knows no clock: times are nanoseconds from its beginning.
#[derive(Debug)]
pub(super) struct Purse<A = AtomicU64> {
    per_call: u64,
    per_nanosecond: u64,
    cap: u64,
    balance: OwnLine<A>,
    /// Until when the floor has been added.
    added_until: A,
}

impl<A: AtomicWord> Purse<A> {
    pub(super) fn new(budget: RetryBudget) -> Self {
        Self {
            // A cast saturates, and makes zero of what is no number.
            per_call: (budget.ratio * RETRY as f64).round() as u64,
            per_nanosecond: u64::from(budget.floor_per_second),
            cap: u64::from(budget.burst.max(MAX_SAVED)) * RETRY,
            balance: OwnLine(A::new(u64::from(budget.burst) * RETRY)),
            added_until: A::new(0),
        }
    }

    pub(super) fn balance(&self) -> u64 {
        self.balance.0.load(Relaxed)
    }

    pub(super) fn is_full(&self) -> bool {
        self.balance() >= self.cap
    }

    pub(super) fn deposit(&self) {
        // Threads that race here go over the cap by a call each, which they have paid for.
        if !self.is_full() {
            self.balance.0.fetch_add(self.per_call, Relaxed);
        }
    }

    /// Takes a retry, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        self.update(|balance| balance.checked_sub(RETRY))
    }

    /// Puts a retry back that was taken and not made.
    pub(super) fn give_back(&self) {
        self.balance.0.fetch_add(RETRY, Relaxed);
    }

    pub(super) fn add_floor(&self, now: u64) {
        if self.per_nanosecond == 0 {
            return;
        }
        // Each nanosecond is added by the one thread that moves the mark over it.
        let before = self.added_until.fetch_max(now, Relaxed);
        let gained = now
            .saturating_sub(before)
            .saturating_mul(self.per_nanosecond);
        if gained > 0 {
            self.update(|balance| {
                let more = balance.saturating_add(gained);
                Some(more.min(self.cap.max(balance)))
            });
        }
    }

    fn update(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        let mut balance = self.balance();
        while let Some(next) = change(balance) {
            match self
                .balance
                .0
                .compare_exchange(balance, next, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(changed) => balance = changed,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    type Checked = Purse<loom::sync::atomic::AtomicU64>;

    fn budget(ratio: f64, floor: u32, burst: u32) -> RetryBudget {
        RetryBudget::standard()
            .ratio(ratio)
            .floor_per_second(floor)
            .burst(burst)
    }

    fn model(budget: RetryBudget, check: impl Fn(Arc<Checked>) + Send + Sync + 'static) {
        loom::model(move || check(Arc::new(Purse::new(budget))));
    }

    #[test]
    fn of_threads_that_want_the_last_retry_one_gets_it() {
        model(budget(0.0, 0, 1), |purse| {
            let others = [(); 2].map(|()| {
                let purse = Arc::clone(&purse);
                thread::spawn(move || purse.withdraw())
            });
            let mut taken = u32::from(purse.withdraw());
            for other in others {
                taken += u32::from(other.join().unwrap());
            }
            assert_eq!(taken, 1);
            assert_eq!(purse.balance(), 0);
        });
    }

    #[test]
    fn deposits_and_withdrawals_that_meet_lose_nothing() {
        model(budget(0.5, 0, 0), |purse| {
            let depositor = Arc::clone(&purse);
            let depositor = thread::spawn(move || {
                depositor.deposit();
                depositor.deposit();
            });
            purse.deposit();
            let taken = u64::from(purse.withdraw());
            depositor.join().unwrap();
            assert_eq!(purse.balance(), 3 * RETRY / 2 - taken * RETRY);
        });
    }

    #[test]
    fn each_nanosecond_of_the_floor_is_added_once() {
        model(budget(0.0, 2, 0), |purse| {
            let others = [RETRY / 2, RETRY].map(|now| {
                let purse = Arc::clone(&purse);
                thread::spawn(move || {
                    purse.add_floor(now);
                    u64::from(purse.withdraw())
                })
            });
            let taken: u64 = others.map(|other| other.join().unwrap()).into_iter().sum();
            assert_eq!(purse.balance() + taken * RETRY, 2 * RETRY);
        });
    }
}
