use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::atomic_word::{AtomicWord, OwnLine};

const BUCKETS: u64 = 10;
const COUNT_BITS: u32 = 18;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
/// A bucket that is this full counts no further, with room for the threads that race for the last place.
const FULL: u64 = COUNT_MASK - 1024;
const TICK_MASK: u64 = (1 << 28) - 1;

/// Threads count in different places, as far as there are any: a word that all of them wrote would go from core to core.
const STRIPES: usize = 4;

/// Calls and failures of the last ten ticks, a word for each tick: tick, calls, failures.
#[derive(Debug)]
pub(super) struct Window<A = AtomicU64> {
    tick_millis: u64,
    stripes: [OwnLine<[A; BUCKETS as usize]>; STRIPES],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failures: u64,
}

impl<A: AtomicWord> Window<A> {
    pub(super) fn new(millis: u64) -> Self {
        Self {
            tick_millis: (millis / BUCKETS).max(1),
            stripes: array::from_fn(|_| OwnLine(array::from_fn(|_| A::new(0)))),
        }
    }

    pub(super) fn record(&self, now_millis: u64, failed: bool) {
        // From one, so that an empty word is of no tick.
        let tick = (now_millis / self.tick_millis + 1) & TICK_MASK;
        let one = 1 << COUNT_BITS | u64::from(failed);
        let stripe = self.stripes.get(A::lane() % STRIPES);
        let Some(bucket) = stripe.and_then(|stripe| stripe.0.get((tick % BUCKETS) as usize)) else {
            return;
        };
        let mut word = bucket.load(Relaxed);
        while word >> (2 * COUNT_BITS) != tick {
            let fresh = tick << (2 * COUNT_BITS) | one;
            match bucket.compare_exchange(word, fresh, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(changed) => word = changed,
            }
        }
        if (word >> COUNT_BITS) & COUNT_MASK < FULL {
            bucket.fetch_add(one, Relaxed);
        }
    }

    /// What was counted; of threads that record and then look, the last one sees all that they recorded.
    pub(super) fn counts(&self, now_millis: u64) -> Counts {
        A::fence();
        let now = (now_millis / self.tick_millis + 1) & TICK_MASK;
        let mut counts = Counts::default();
        for bucket in self.buckets() {
            let word = bucket.load(Relaxed);
            let age = now.wrapping_sub(word >> (2 * COUNT_BITS)) & TICK_MASK;
            if word != 0 && age < BUCKETS {
                counts.calls += (word >> COUNT_BITS) & COUNT_MASK;
                counts.failures += word & COUNT_MASK;
            }
        }
        counts
    }

    fn buckets(&self) -> impl Iterator<Item = &A> {
        self.stripes.iter().flat_map(|stripe| &stripe.0)
    }

    pub(super) fn clear(&self) {
        for bucket in self.buckets() {
            bucket.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_counts_are_those_of_the_last_ten_ticks(
            steps in proptest::collection::vec((0_u64..400, any::<bool>()), 1..200),
        ) {
            let window = Window::<AtomicU64>::new(1000);
            let mut now = 0;
            let mut all = Vec::new();
            for (step, failed) in steps {
                now += step;
                window.record(now, failed);
                all.push((now / 100, failed));
                let recent = all.iter().filter(|(tick, _)| now / 100 - tick < BUCKETS);
                let expected = Counts {
                    calls: recent.clone().count() as u64,
                    failures: recent.filter(|(_, failed)| *failed).count() as u64,
                };
                prop_assert_eq!(window.counts(now), expected);
            }
        }
    }

    #[test]
    fn a_full_bucket_does_not_spill_over() {
        let window = Window::<AtomicU64>::new(1000);
        for _ in 0..COUNT_MASK + 10 {
            window.record(0, true);
        }
        let counts = window.counts(0);
        assert_eq!(counts.calls, counts.failures);
        assert_eq!(counts.calls, FULL);
        window.clear();
        assert_eq!(window.counts(0), Counts::default());
    }
}
