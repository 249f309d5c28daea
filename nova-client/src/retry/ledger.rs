use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;

use super::RetryBudget;

/// One retry. A second has as many nanoseconds, so that the floor adds itself once per nanosecond.
const RETRY: u64 = 1_000_000_000;

/// The most retries that are saved up, unless the burst is more.
const MAX_SAVED: u32 = 100;

/// What is left of a [`RetryBudget`]. It takes no lock.
#[derive(Debug)]
pub(crate) struct Ledger {
    per_call: u64,
    per_nanosecond: u64,
    cap: u64,
    balance: AtomicU64,
    origin: Instant,
    /// Until when, in nanoseconds from the origin, the floor has been added.
    added_until: AtomicU64,
}

impl Ledger {
    pub(crate) fn new(budget: RetryBudget) -> Self {
        Self {
            // A cast saturates, and makes zero of what is no number.
            per_call: (budget.ratio * RETRY as f64).round() as u64,
            per_nanosecond: u64::from(budget.floor_per_second),
            cap: u64::from(budget.burst.max(MAX_SAVED)) * RETRY,
            balance: AtomicU64::new(u64::from(budget.burst) * RETRY),
            origin: Instant::now(),
            added_until: AtomicU64::new(0),
        }
    }

    /// A call was made.
    pub(crate) fn deposit(&self) {
        // Threads that race here go over the cap by a call each, which they have paid for.
        if self.balance.load(Relaxed) < self.cap {
            self.balance.fetch_add(self.per_call, Relaxed);
        }
    }

    /// Takes a retry, if there is one.
    pub(crate) fn withdraw(&self, now: Instant) -> bool {
        self.add_floor(now);
        self.balance
            .fetch_update(Relaxed, Relaxed, |balance| balance.checked_sub(RETRY))
            .is_ok()
    }

    fn add_floor(&self, now: Instant) {
        if self.per_nanosecond == 0 {
            return;
        }
        let now = now.saturating_duration_since(self.origin).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        // Each nanosecond is added by the one thread that moves the mark over it.
        let before = self.added_until.fetch_max(now, Relaxed);
        let gained = now
            .saturating_sub(before)
            .saturating_mul(self.per_nanosecond);
        if gained > 0 {
            let add =
                |balance: u64| Some(balance.saturating_add(gained).min(self.cap.max(balance)));
            let _ = self.balance.fetch_update(Relaxed, Relaxed, add);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
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
}
