use std::time::Duration;

/// How many events a statement reads or deletes: as configured, and up to ten times as many under a backlog, as long as
/// statements stay fast.
///
/// It never goes below what is configured: a database that is far away is slow however little it is asked for.
#[derive(Debug)]
pub(super) struct BatchSize {
    usual: u32,
    most: u32,
    now: u32,
}

/// A statement that takes longer is to do less.
const SLOW: Duration = Duration::from_millis(500);

impl BatchSize {
    /// The largest batch there is.
    pub(super) const MAX: u32 = 10_000;

    pub(super) fn new(usual: u32) -> Self {
        Self {
            usual,
            most: usual.saturating_mul(10).min(Self::MAX).max(usual),
            now: usual,
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.now
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.now).unwrap_or(usize::MAX)
    }

    /// A read found so many new events, and took so long.
    pub(super) fn read(&mut self, found: usize, took: Duration) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        if took > SLOW || found < self.now / 2 {
            self.now = (self.now / 2).max(self.usual);
        } else if found >= self.now - self.now / 4 {
            self.now = self.now.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(1);

    fn sizes(batch: &mut BatchSize, found: usize, took: Duration) -> Vec<u32> {
        let step = |_| {
            batch.read(found, took);
            batch.limit()
        };
        (0..5).map(step).collect()
    }

    #[test]
    fn a_backlog_makes_it_grow_up_to_ten_times_and_its_end_makes_it_shrink() {
        let mut batch = BatchSize::new(100);
        assert_eq!(sizes(&mut batch, 1000, FAST), [200, 400, 800, 1000, 1000]);
        assert_eq!(sizes(&mut batch, 10, FAST), [500, 250, 125, 100, 100]);
    }

    #[test]
    fn slow_statements_make_it_shrink_to_what_is_configured() {
        let mut batch = BatchSize::new(100);
        sizes(&mut batch, 1000, FAST);
        let slow = sizes(&mut batch, 1000, SLOW * 2);
        assert_eq!(slow, [500, 250, 125, 100, 100]);
    }

    #[test]
    fn it_stays_within_the_bounds_of_all() {
        let mut batch = BatchSize::new(BatchSize::MAX);
        assert_eq!(sizes(&mut batch, usize::MAX, FAST), [BatchSize::MAX; 5]);
        let mut batch = BatchSize::new(1);
        assert_eq!(sizes(&mut batch, 0, SLOW * 2), [1; 5]);
    }
}
