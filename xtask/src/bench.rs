//! Benchmarks with limits: each figure is compared with a baseline that was measured in the same run.
//!
//! An area `NAME` is the bench target `benches/benches/NAME.rs` and the table `[NAME]` of `benches/limits.toml`.

mod estimates;
mod limits;

use std::fs;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use self::limits::Limits;
use crate::program;
use crate::workspace::Workspace;

/// Which benchmarks.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The area, or `list` for the areas that there are.
    name: String,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// One figure, in its unit, and how it compares with its baseline.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    baseline: f64,
    ratio: f64,
    limit: f64,
    ok: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    figures: &'a [Figure],
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let limits = Limits::read(&workspace.root.join("benches/limits.toml"))?;
    if options.name == "list" {
        for area in limits.areas() {
            println!("{area}");
        }
        return Ok(());
    }
    let Some(wanted) = limits.area(&options.name) else {
        let areas: Vec<_> = limits.areas().collect();
        bail!(
            "there are no benchmarks `{}`; there are: {}",
            options.name,
            areas.join(", ")
        );
    };
    let measured = estimates::folder(workspace, &options.name)?;
    if measured.is_dir() {
        fs::remove_dir_all(&measured).context("cannot delete the figures of an earlier run")?;
    }
    let mut bench = program::cargo();
    bench
        .current_dir(&workspace.root)
        .args([
            "bench",
            "--package",
            "nova-benches",
            "--bench",
            &options.name,
            "--",
            "--noplot",
        ])
        .env("CRITERION_HOME", &measured);
    measure(&mut bench)?;

    let figures = wanted
        .iter()
        .map(|limit| {
            let value = estimates::nanoseconds(&measured, &limit.id)?;
            let baseline = estimates::nanoseconds(&measured, &limit.baseline)?;
            Ok(Figure::new(limit, value, baseline))
        })
        .collect::<Result<Vec<_>>>()?;
    if options.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&Report { figures: &figures })?
        );
    } else {
        figures
            .iter()
            .for_each(|figure| println!("{}", figure.shown()));
    }
    match figures.iter().filter(|figure| !figure.ok).count() {
        0 => Ok(()),
        missed => bail!("{missed} of {} figures miss their limit", figures.len()),
    }
}

/// Runs the benchmarks with their output on standard error: standard output is for the figures.
fn measure(bench: &mut std::process::Command) -> Result<()> {
    bench.stdout(std::io::stderr());
    program::run(bench)
}

impl Figure {
    fn new(limit: &limits::Limit, value: f64, baseline: f64) -> Self {
        let ratio = value / baseline;
        Self {
            name: limit.name.clone(),
            value: limit.unit.convert(value),
            unit: limit.unit.name(),
            baseline: limit.unit.convert(baseline),
            ratio,
            limit: limit.limit,
            ok: ratio <= limit.limit,
        }
    }

    fn shown(&self) -> String {
        format!(
            "{:<6} {:<40} {:>10.2} {unit}, baseline {:>10.2} {unit}, ratio {:.2}, limit {}",
            if self.ok { "ok" } else { "MISSED" },
            self.name,
            self.value,
            self.baseline,
            self.ratio,
            self.limit,
            unit = self.unit,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::limits::{Limit, Unit};
    use super::*;

    fn figure(value: f64, baseline: f64) -> Figure {
        let limit = Limit {
            name: "a".to_owned(),
            id: "a/new".to_owned(),
            baseline: "a/old".to_owned(),
            unit: Unit::Microseconds,
            limit: 2.0,
        };
        Figure::new(&limit, value, baseline)
    }

    #[test]
    fn a_figure_within_its_limit_is_ok() {
        let figure = figure(2_000.0, 1_000.0);
        assert!(figure.ok);
        assert!((figure.value - 2.0).abs() < 1e-9, "in microseconds");
        assert_eq!(figure.unit, "µs");
    }

    #[test]
    fn a_figure_past_its_limit_is_missed() {
        assert!(!figure(2_001.0, 1_000.0).ok);
        assert!(!figure(1.0, 0.0).ok);
        assert!(!figure(0.0, 0.0).ok, "a figure that was not measured");
    }
}
