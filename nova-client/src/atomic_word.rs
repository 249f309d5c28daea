use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// What budget and breaker ask of an atomic number, so that a model checker can stand in for the processor and try
/// every order in which threads can meet.
pub(crate) trait AtomicWord: fmt::Debug {
    fn new(value: u64) -> Self;
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn fetch_add(&self, value: u64, order: Ordering) -> u64;
    fn fetch_max(&self, value: u64, order: Ordering) -> u64;
    fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64>;

    /// Of two threads that each write a word, fence and read the other's word, one reads what was written.
    fn fence();

    /// A small number that few threads share; each keeps its own.
    fn lane() -> usize;
}

macro_rules! is_atomic_word {
    ($atomic:ty, $fence:path, $lane:path) => {
        impl AtomicWord for $atomic {
            fn new(value: u64) -> Self {
                Self::new(value)
            }

            fn load(&self, order: Ordering) -> u64 {
                self.load(order)
            }

            fn store(&self, value: u64, order: Ordering) {
                self.store(value, order);
            }

            fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
                self.fetch_add(value, order)
            }

            fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
                self.fetch_max(value, order)
            }

            fn compare_exchange(
                &self,
                current: u64,
                new: u64,
                success: Ordering,
                failure: Ordering,
            ) -> Result<u64, u64> {
                self.compare_exchange(current, new, success, failure)
            }

            fn fence() {
                $fence(Ordering::SeqCst);
            }

            fn lane() -> usize {
                $lane()
            }
        }
    };
}

is_atomic_word!(AtomicU64, fence, lane);

fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    LANE.with(|lane| *lane)
}

#[cfg(test)]
mod checked {
    use loom::sync::atomic::{AtomicU64, AtomicUsize, fence};

    use super::{AtomicWord, Ordering};

    is_atomic_word!(AtomicU64, fence, lane);

    /// As outside, but begun anew with each run of the checker.
    fn lane() -> usize {
        loom::lazy_static! {
            static ref NEXT: AtomicUsize = AtomicUsize::new(0);
        }
        loom::thread_local! {
            static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        LANE.with(|lane| *lane)
    }
}

/// Keeps a number that everybody reads away from those that everybody writes: on one cache line each write would take the others' copy.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct OwnLine<T>(pub(crate) T);
