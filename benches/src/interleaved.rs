//! Measures contenders in turns, so that what happens on the machine meanwhile happens to all of them.
//!
//! criterion measures one after the other, minutes apart; where the difference is a few percent, the machine's mood is
//! more than that.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// A group of contenders.
pub struct Interleaved<'a> {
    group: &'static str,
    contenders: Vec<Contender<'a>>,
}

struct Contender<'a> {
    name: &'static str,
    call: Box<dyn FnMut() + 'a>,
    times: Vec<Duration>,
}

impl<'a> Interleaved<'a> {
    /// A group without contenders.
    #[must_use]
    pub fn new(group: &'static str) -> Self {
        Self {
            group,
            contenders: Vec::new(),
        }
    }

    /// Adds a contender: what one call of it does.
    #[must_use]
    pub fn contender(mut self, name: &'static str, call: impl FnMut() + 'a) -> Self {
        self.contenders.push(Contender {
            name,
            call: Box::new(call),
            times: Vec::new(),
        });
        self
    }

    /// Lets the contenders take turns of `turn` calls each, `rounds` times; each round begins with another one. The first round is
    /// not counted.
    #[must_use]
    pub fn run(mut self, rounds: usize, turn: usize) -> Medians {
        for round in 0..=rounds {
            let mut order: Vec<_> = self.contenders.iter_mut().collect();
            let first = round % order.len().max(1);
            order.rotate_left(first);
            for contender in order {
                for _ in 0..turn {
                    let begun = Instant::now();
                    (contender.call)();
                    contender.times.push(begun.elapsed());
                }
                if round == 0 {
                    contender.times.clear();
                }
            }
        }
        let medians = self.contenders.iter_mut().filter_map(Contender::median);
        Medians {
            group: self.group,
            medians: medians.collect(),
        }
    }
}

impl Contender<'_> {
    fn median(&mut self) -> Option<(&'static str, Duration)> {
        self.times.sort_unstable();
        let middle = self.times.get(self.times.len() / 2)?;
        Some((self.name, *middle))
    }
}

impl fmt::Debug for Interleaved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.contenders.iter().map(|contender| contender.name);
        f.debug_struct("Interleaved")
            .field("group", &self.group)
            .field("contenders", &names.collect::<Vec<_>>())
            .finish()
    }
}

/// The median time of a call of each contender.
#[derive(Debug)]
pub struct Medians {
    group: &'static str,
    medians: Vec<(&'static str, Duration)>,
}

impl Medians {
    /// Writes what criterion writes of its benchmarks, at the same place below `home`, so that one reader reads both.
    ///
    /// # Errors
    ///
    /// The files cannot be written.
    pub fn write(&self, home: &Path) -> io::Result<()> {
        for (name, median) in &self.medians {
            let folder = home.join(self.group).join(name).join("new");
            fs::create_dir_all(&folder)?;
            let estimates =
                serde_json::json!({ "median": { "point_estimate": median.as_nanos() as f64 } });
            fs::write(folder.join("estimates.json"), estimates.to_string())?;
        }
        Ok(())
    }
}

impl fmt::Display for Medians {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, median) in &self.medians {
            writeln!(f, "{}/{name:<24} median {median:.1?}", self.group)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_contenders_take_turns_and_each_begins_a_round() {
        let log = RefCell::new(String::new());
        let medians = Interleaved::new("letters")
            .contender("a", || log.borrow_mut().push('a'))
            .contender("b", || log.borrow_mut().push('b'))
            .run(2, 2);
        assert_eq!(*log.borrow(), "aabbbbaaaabb");
        let names: Vec<_> = medians.medians.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
