//! Measures contenders that say themselves how long they took, in turns: what they need to begin, such as joining a group, does
//! not count.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The times of some contenders, per record.
#[derive(Debug)]
pub struct Throughput {
    group: &'static str,
    times: Vec<(&'static str, Vec<f64>)>,
}

impl Throughput {
    /// Lets each contender take `rounds` turns, after one that is not counted; each round begins with another one. A contender says how
    /// long `records` of them took.
    pub fn measure(
        group: &'static str,
        records: usize,
        rounds: usize,
        contenders: &mut [(&'static str, &mut dyn FnMut() -> Duration)],
    ) -> Self {
        let names = contenders.iter().map(|(name, _)| (*name, Vec::new()));
        let mut times: Vec<_> = names.collect();
        for round in 0..=rounds {
            for turn in 0..contenders.len() {
                let at = (round + turn) % contenders.len();
                let took = (contenders[at].1)();
                if round > 0 {
                    times[at].1.push(took.as_secs_f64() * 1e9 / records as f64);
                }
            }
        }
        for (_, times) in &mut times {
            times.sort_by(f64::total_cmp);
        }
        Self { group, times }
    }

    /// Writes the medians where criterion writes those of its benchmarks below `home`, so that one reader reads both; and
    /// shows them.
    ///
    /// # Errors
    ///
    /// The files cannot be written.
    pub fn write(&self, home: &Path) -> io::Result<()> {
        for (name, times) in &self.times {
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            let per_second = 1e9 / median;
            println!(
                "{}/{name:<24} {median:>8.0} ns a record, {per_second:>9.0}/s {times:.0?}",
                self.group
            );
            let folder = home.join(self.group).join(name).join("new");
            fs::create_dir_all(&folder)?;
            let estimates = serde_json::json!({ "median": { "point_estimate": median } });
            fs::write(folder.join("estimates.json"), estimates.to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn each_contender_has_its_turns_and_the_first_round_is_not_counted() {
        let order = RefCell::new(String::new());
        let second = Duration::from_secs(1);
        let mut one = || {
            order.borrow_mut().push('a');
            second
        };
        let mut other = || {
            order.borrow_mut().push('b');
            2 * second
        };
        let measured = Throughput::measure(
            "g",
            1_000_000_000,
            2,
            &mut [("a", &mut one), ("b", &mut other)],
        );
        assert_eq!(*order.borrow(), "abbaab");
        assert_eq!(measured.times, [("a", vec![1.0; 2]), ("b", vec![2.0; 2])]);
    }
}
