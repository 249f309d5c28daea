use std::fmt;

use tokio::time::Instant;

use super::RetryBudget;
use super::purse::{Purse, RETRY};

/// What is left of a [`RetryBudget`], for code that tries again by itself; [`RetryLayer`](super::RetryLayer) keeps one of its own.
///
/// It takes no lock: share it by reference, or in an `Arc`.
///
/// ```
/// use nova_client::retry::RetryBudget;
/// use tokio::time::Instant;
///
/// let ledger = RetryBudget::standard().floor_per_second(0).burst(1).ledger()?;
/// ledger.deposit();
/// assert!((ledger.level(Instant::now()) - 1.2).abs() < 1e-9);
/// assert!(ledger.withdraw(Instant::now()));
/// assert!(!ledger.withdraw(Instant::now()), "a fifth of a retry is none");
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
pub struct Ledger {
    purse: Purse,
    origin: Instant,
}

impl Ledger {
    pub(crate) fn new(budget: RetryBudget) -> Self {
        Self {
            purse: Purse::new(budget),
            origin: Instant::now(),
        }
    }

    /// A call was made, and pays for a part of a retry.
    #[inline]
    pub fn deposit(&self) {
        self.purse.deposit();
    }

    /// Whether a deposit would change nothing.
    pub(crate) fn is_full(&self) -> bool {
        self.purse.is_full()
    }

    /// Takes a retry; `false` where none is left.
    #[must_use]
    pub fn withdraw(&self, now: Instant) -> bool {
        self.add_floor(now);
        self.purse.withdraw()
    }

    /// Puts a retry back that was taken and then not made.
    pub fn give_back(&self) {
        self.purse.give_back();
    }

    /// The retries that are left, in parts of one too.
    #[must_use]
    pub fn level(&self, now: Instant) -> f64 {
        self.add_floor(now);
        self.purse.balance() as f64 / RETRY as f64
    }

    fn add_floor(&self, now: Instant) {
        let now = now.saturating_duration_since(self.origin).as_nanos();
        self.purse.add_floor(u64::try_from(now).unwrap_or(u64::MAX));
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("balance", &(self.purse.balance() as f64 / RETRY as f64))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Event {
        Call,
        Failure,
        Time(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Call),
            Just(Event::Failure),
            (0_u64..300).prop_map(Event::Time),
        ]
    }

    proptest! {
        #[test]
        fn retries_never_exceed_ratio_times_calls_plus_floor_times_time_plus_burst(
            ratio in 0.0_f64..=1.0,
            floor in 0_u32..50,
            burst in 0_u32..20,
            events in proptest::collection::vec(event(), 0..500),
        ) {
            let budget = RetryBudget::standard().ratio(ratio).floor_per_second(floor).burst(burst);
            let ledger = Ledger::new(budget);
            let began = Instant::now();
            let (mut now, mut calls, mut retries) = (began, 0.0, 0.0);
            for event in events {
                match event {
                    Event::Call => { ledger.deposit(); calls += 1.0; }
                    Event::Failure => retries += f64::from(u8::from(ledger.withdraw(now))),
                    Event::Time(millis) => now += Duration::from_millis(millis),
                }
                // The ledger began a moment before this test looked at the clock.
                let time = (now - began).as_secs_f64() + 0.01;
                let allowed = ratio * calls + f64::from(floor) * time + f64::from(burst);
                prop_assert!(retries <= allowed + 1e-6, "{retries} > {allowed}");
            }
        }
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let ledger = Ledger::new(RetryBudget::standard());
        for _ in 0..1_000_000 {
            ledger.deposit();
        }
        let now = Instant::now() + Duration::from_secs(3600);
        let taken = (0..1_000).take_while(|_| ledger.withdraw(now)).count();
        assert_eq!(taken, 100);
    }

    #[test]
    fn threads_that_withdraw_together_take_no_more_than_there_is() {
        let budget = RetryBudget::standard()
            .ratio(0.0)
            .floor_per_second(0)
            .burst(50);
        let ledger = Ledger::new(budget);
        let taken = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        if ledger.withdraw(Instant::now()) {
                            taken.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 50);
    }

    #[test]
    fn the_law_holds_and_nothing_is_lost_where_threads_pay_and_take_at_once() {
        let budget = RetryBudget::standard()
            .ratio(0.3)
            .floor_per_second(0)
            .burst(5);
        let ledger = Ledger::new(budget);
        let now = Instant::now();
        let (calls, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        // Counted first: at no time may more be taken than was paid.
                        calls.fetch_add(1, Relaxed);
                        ledger.deposit();
                        taken.fetch_add(u32::from(ledger.withdraw(now)), Relaxed);
                    }
                });
            }
        });
        // Under the cap all the time, so that each part of a retry is there still or was taken.
        let paid = 0.3 * f64::from(calls.into_inner()) + 5.0;
        let left = ledger.level(now);
        assert!(left < 1.0, "{left}");
        assert!((f64::from(taken.into_inner()) + left - paid).abs() < 1e-6);
    }
}
