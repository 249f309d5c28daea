//! `benches/limits.toml`: what may cost how much.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The figures of every area.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Limits(BTreeMap<String, Area>);

/// What is run for an area, and what may come out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Area {
    /// Its bench targets; the one of its own name if there are none.
    #[serde(default)]
    benches: Vec<String>,
    /// The bench target whose instructions are counted.
    pub(super) instructions: Option<String>,
    pub(super) figures: Vec<Limit>,
}

/// One figure and its limit.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Entry")]
pub(super) struct Limit {
    pub(super) name: String,
    /// The benchmark: `group/function`.
    pub(super) id: String,
    /// The benchmark that it is compared with.
    pub(super) baseline: Option<String>,
    pub(super) unit: Unit,
    pub(super) bound: Bound,
}

/// What is bounded, and the most that is still fine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// The figure divided by its baseline.
    Ratio(f64),
    /// What the figure is over its baseline, in the figure's unit.
    Extra(f64),
    /// The figure itself, in its unit.
    Value(f64),
}

/// A limit as it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    id: String,
    baseline: Option<String>,
    unit: Unit,
    limit: Option<f64>,
    limit_extra: Option<f64>,
    limit_value: Option<f64>,
}

impl TryFrom<Entry> for Limit {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, String> {
        let bound = match (entry.limit, entry.limit_extra, entry.limit_value) {
            (Some(ratio), None, None) => Bound::Ratio(ratio),
            (None, Some(extra), None) => Bound::Extra(extra),
            (None, None, Some(value)) => Bound::Value(value),
            _ => {
                return Err(format!(
                    "`{}` needs one of limit, limit_extra and limit_value",
                    entry.name
                ));
            }
        };
        if entry.baseline.is_none() && !matches!(bound, Bound::Value(_)) {
            return Err(format!("`{}` needs a baseline", entry.name));
        }
        Ok(Self {
            name: entry.name,
            id: entry.id,
            baseline: entry.baseline,
            unit: entry.unit,
            bound,
        })
    }
}

/// What a figure is printed in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "µs")]
    Microseconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "instructions")]
    Instructions,
}

impl Limits {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
    }

    pub(super) fn areas(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn area(&self, name: &str) -> Option<&Area> {
        self.0.get(name)
    }
}

impl Area {
    /// The bench targets that measure time.
    pub(super) fn benches<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        if self.benches.is_empty() {
            vec![name]
        } else {
            self.benches.iter().map(String::as_str).collect()
        }
    }
}

impl Bound {
    pub(super) fn limit(self) -> f64 {
        match self {
            Self::Ratio(limit) | Self::Extra(limit) | Self::Value(limit) => limit,
        }
    }

    /// What is bounded, as the report calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ratio(_) => "ratio",
            Self::Extra(_) => "extra",
            Self::Value(_) => "value",
        }
    }
}

impl Unit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Instructions => "instructions",
        }
    }

    /// A figure as it was measured, in nanoseconds or instructions, in this unit.
    pub(super) fn convert(self, value: f64) -> f64 {
        match self {
            Self::Nanoseconds | Self::Instructions => value,
            Self::Microseconds => value / 1e3,
            Self::Milliseconds => value / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(limit: &str) -> Result<Bound, String> {
        let text = format!(
            "[[a.figures]]\nname = \"n\"\nid = \"g/f\"\nunit = \"ns\"\n{}",
            limit.replace("; ", "\n")
        );
        match toml::from_str::<Limits>(&text) {
            Ok(limits) => Ok(limits.0["a"].figures[0].bound),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    #[test]
    fn a_figure_has_one_limit_and_a_baseline_where_it_is_compared() {
        assert_eq!(
            parse("baseline = \"g/b\"; limit = 2"),
            Ok(Bound::Ratio(2.0))
        );
        assert_eq!(
            parse("baseline = \"g/b\"; limit_extra = 3"),
            Ok(Bound::Extra(3.0))
        );
        assert_eq!(parse("limit_value = 4"), Ok(Bound::Value(4.0)));
        for faulty in [
            "",
            "limit = 2",
            "limit_extra = 3",
            "limit_value = 4; limit = 2",
        ] {
            let fault = parse(faulty).expect_err(faulty);
            assert!(fault.contains("needs"), "{faulty}: {fault}");
        }
        assert!(parse("limit_value = 4; limits = 2").is_err());
    }

    #[test]
    fn an_area_is_the_bench_of_its_name_unless_it_says_otherwise() {
        let limits: Limits =
            toml::from_str("[a]\nfigures = []\n[b]\nbenches = [\"c\", \"d\"]\nfigures = []")
                .expect("valid");
        assert_eq!(limits.area("a").expect("there").benches("a"), ["a"]);
        assert_eq!(limits.area("b").expect("there").benches("b"), ["c", "d"]);
    }
}
