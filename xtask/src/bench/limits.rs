//! `benches/limits.toml`: what may be how much slower than what.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The figures of every area.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Limits(BTreeMap<String, Area>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    figures: Vec<Limit>,
}

/// One figure and its limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    pub(super) name: String,
    /// The benchmark, as criterion calls it: `group/function`.
    pub(super) id: String,
    /// The benchmark that it is compared with.
    pub(super) baseline: String,
    pub(super) unit: Unit,
    /// The largest ratio of the two that is still fine.
    pub(super) limit: f64,
}

/// What a figure is printed in.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "µs")]
    Microseconds,
    #[serde(rename = "ms")]
    Milliseconds,
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

    pub(super) fn area(&self, name: &str) -> Option<&[Limit]> {
        self.0.get(name).map(|area| area.figures.as_slice())
    }
}

impl Unit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
        }
    }

    pub(super) fn convert(self, value: f64) -> f64 {
        match self {
            Self::Nanoseconds => value,
            Self::Microseconds => value / 1e3,
            Self::Milliseconds => value / 1e6,
        }
    }
}
