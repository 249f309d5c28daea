use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// What happened while consumers worked through a topic, and a check of it, after the Kafka workload of
/// [Jepsen](https://jepsen.io).
///
/// Events are numbered within their key, in the order of their offsets. Steps go in as they happen; those
/// of several processes can be written to one file as JSON lines and read back. Where they are taken matters:
///
/// | step | taken |
/// |---|---|
/// | `Began`, `Handled` | by the handler, when it begins and just before it succeeds |
/// | `Committed` | after the position was asked for |
/// | `Produced`, `DeadLettered`, `TookEffect` | at any time, the end included |
///
/// ```
/// use nova_events::conformance::{ConsumerHistory, HistoryStep};
///
/// let mut history = ConsumerHistory::default();
/// history.push(HistoryStep::Produced { partition: 0, offset: 7, key: "a".into(), number: Some(0) });
/// history.push(HistoryStep::Committed { partition: 0, position: 8 });
/// let violations = history.violations();
/// assert_eq!(violations[0].to_string(), "the position 8 of partition 0 was committed before offset 7 was done");
/// assert_eq!(violations[1].to_string(), "lost: offset 7 of partition 0, key a, number Some(0)");
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConsumerHistory(Vec<HistoryStep>);

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum HistoryStep {
    /// A record was acknowledged. One without a number is poison: it is to become a dead letter.
    Produced {
        partition: i32,
        offset: i64,
        key: String,
        number: Option<u32>,
    },
    /// A handler began.
    Began { key: String, number: u32 },
    /// A handler succeeded.
    Handled { key: String, number: u32 },
    /// The group's position on a partition was seen.
    Committed { partition: i32, position: i64 },
    /// A record was found in the dead letters, by where it stood.
    DeadLettered { partition: i32, offset: i64 },
    /// The effect of an event was found where it must be once. Where there is such a step, every handled event needs one.
    TookEffect { key: String, number: u32 },
}

/// What must never happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum HistoryViolation {
    /// A record was neither handled nor is it a dead letter, or its effect is missing.
    Lost {
        partition: i32,
        offset: i64,
        key: String,
        number: Option<u32>,
    },
    /// A handler began before an earlier event of its key was done.
    Inverted {
        key: String,
        number: u32,
        undone: u32,
    },
    /// A position was committed while a record before it was not done.
    CommittedPast {
        partition: i32,
        position: i64,
        undone: i64,
    },
    /// An effect is there more than once.
    Doubled { key: String, number: u32 },
}

impl ConsumerHistory {
    /// Adds a step.
    pub fn push(&mut self, step: HistoryStep) {
        self.0.push(step);
    }

    /// What went wrong, in the order in which it was found; lost events come last.
    #[must_use]
    pub fn violations(&self) -> Vec<HistoryViolation> {
        let mut check = Check::new(&self.0);
        for step in &self.0 {
            check.step(step);
        }
        check.finish()
    }
}

impl Extend<HistoryStep> for ConsumerHistory {
    fn extend<I: IntoIterator<Item = HistoryStep>>(&mut self, steps: I) {
        self.0.extend(steps);
    }
}

type Event<'a> = (&'a str, u32);
type At = (i32, i64);

/// The history up to a step.
struct Check<'a> {
    /// Where an event stands; the same one may have been published twice.
    places: HashMap<Event<'a>, Vec<At>>,
    produced: BTreeMap<At, (&'a str, Option<u32>)>,
    /// What is not done yet, by partition and by key. Dead letters count as done from the beginning: nobody knows when they were sent.
    undone: HashMap<i32, BTreeSet<i64>>,
    undone_of_key: HashMap<&'a str, BTreeSet<u32>>,
    effects: HashSet<Event<'a>>,
    has_effects: bool,
    found: Vec<HistoryViolation>,
}

impl<'a> Check<'a> {
    fn new(steps: &'a [HistoryStep]) -> Self {
        let mut check = Self {
            places: HashMap::new(),
            produced: BTreeMap::new(),
            undone: HashMap::new(),
            undone_of_key: HashMap::new(),
            effects: HashSet::new(),
            has_effects: false,
            found: Vec::new(),
        };
        let dead: HashSet<At> = steps
            .iter()
            .filter_map(|step| match step {
                HistoryStep::DeadLettered { partition, offset } => Some((*partition, *offset)),
                _ => None,
            })
            .collect();
        for step in steps {
            if let HistoryStep::Produced {
                partition,
                offset,
                key,
                number,
            } = step
                && !dead.contains(&(*partition, *offset))
            {
                let at = (*partition, *offset);
                check.produced.insert(at, (key, *number));
                check.undone.entry(*partition).or_default().insert(*offset);
                if let Some(number) = number {
                    check.places.entry((key, *number)).or_default().push(at);
                    let of_key = check.undone_of_key.entry(key).or_default();
                    of_key.insert(*number);
                }
            }
        }
        check
    }

    fn step(&mut self, step: &'a HistoryStep) {
        match step {
            HistoryStep::Produced { .. } | HistoryStep::DeadLettered { .. } => {}
            HistoryStep::Began { key, number } => {
                let undone = self.undone_of_key.get(key.as_str());
                if let Some(undone) = undone.and_then(BTreeSet::first)
                    && undone < number
                {
                    self.found.push(HistoryViolation::Inverted {
                        key: key.clone(),
                        number: *number,
                        undone: *undone,
                    });
                }
            }
            HistoryStep::Handled { key, number } => {
                if let Some(of_key) = self.undone_of_key.get_mut(key.as_str()) {
                    of_key.remove(number);
                }
                let places = self.places.get(&(key.as_str(), *number));
                for (partition, offset) in places.into_iter().flatten() {
                    if let Some(undone) = self.undone.get_mut(partition) {
                        undone.remove(offset);
                    }
                }
            }
            HistoryStep::Committed {
                partition,
                position,
            } => {
                let undone = self.undone.get(partition).and_then(BTreeSet::first);
                if let Some(undone) = undone
                    && undone < position
                {
                    self.found.push(HistoryViolation::CommittedPast {
                        partition: *partition,
                        position: *position,
                        undone: *undone,
                    });
                }
            }
            HistoryStep::TookEffect { key, number } => {
                self.has_effects = true;
                if !self.effects.insert((key, *number)) {
                    self.found.push(HistoryViolation::Doubled {
                        key: key.clone(),
                        number: *number,
                    });
                }
            }
        }
    }

    fn finish(mut self) -> Vec<HistoryViolation> {
        for ((partition, offset), (key, number)) in &self.produced {
            let undone = self.undone.get(partition);
            let is_undone = undone.is_some_and(|undone| undone.contains(offset));
            let has_effect = number.is_some_and(|number| self.effects.contains(&(*key, number)));
            if is_undone || (self.has_effects && !has_effect) {
                self.found.push(HistoryViolation::Lost {
                    partition: *partition,
                    offset: *offset,
                    key: (*key).to_owned(),
                    number: *number,
                });
            }
        }
        self.found
    }
}

impl fmt::Display for HistoryViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost {
                partition,
                offset,
                key,
                number,
            } => write!(
                f,
                "lost: offset {offset} of partition {partition}, key {key}, number {number:?}"
            ),
            Self::Inverted {
                key,
                number,
                undone,
            } => write!(f, "{key}: {number} began before {undone} was done"),
            Self::CommittedPast {
                partition,
                position,
                undone,
            } => write!(
                f,
                "the position {position} of partition {partition} was committed before offset {undone} was done"
            ),
            Self::Doubled { key, number } => write!(f, "{key}: {number} took effect twice"),
        }
    }
}
