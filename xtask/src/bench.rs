//! Benchmarks with limits: figures that are held against a baseline which was measured in the same run, or against a
//! fixed value.
//!
//! An area is a table of `benches/limits.toml`. It names its bench targets, `benches/benches/*.rs`, and perhaps one whose instructions
//! are counted.

mod estimates;
mod figure;
mod instructions;
mod limits;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use self::figure::Figure;
use self::limits::{Area, Limit, Limits, Unit};
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

#[derive(Serialize)]
struct Report {
    figures: Vec<Figure>,
    /// The figures that this machine has no means to measure, and why.
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Skipped {
    name: String,
    reason: &'static str,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let limits = Limits::read(&workspace.root.join("benches/limits.toml"))?;
    if options.name == "list" {
        for area in limits.areas() {
            println!("{area}");
        }
        return Ok(());
    }
    let Some(area) = limits.area(&options.name) else {
        let areas: Vec<_> = limits.areas().collect();
        bail!(
            "there are no benchmarks `{}`; there are: {}",
            options.name,
            areas.join(", ")
        );
    };
    let home = estimates::folder(workspace, &options.name)?;
    if home.is_dir() {
        fs::remove_dir_all(&home).context("cannot delete the figures of an earlier run")?;
    }
    time(workspace, &area.benches(&options.name), &home)?;
    let counting = match &area.instructions {
        Some(bench) if instructions::available() => {
            instructions::count(workspace, bench, &home)?;
            true
        }
        _ => false,
    };
    let report = Report::read(area, &home, counting)?;
    report.print(options.json)?;
    match report.figures.iter().filter(|figure| !figure.ok).count() {
        0 => Ok(()),
        missed => bail!(
            "{missed} of {} figures miss their limit",
            report.figures.len()
        ),
    }
}

fn time(workspace: &Workspace, benches: &[&str], home: &Path) -> Result<()> {
    let mut command = program::cargo();
    command
        .current_dir(&workspace.root)
        .args(["bench", "--package", "nova-benches"])
        .args(benches.iter().flat_map(|bench| ["--bench", bench]))
        .args(["--", "--noplot"])
        .env("CRITERION_HOME", home);
    measure(&mut command)
}

/// Runs benchmarks with their output on standard error: standard output is for the figures.
fn measure(command: &mut Command) -> Result<()> {
    command.stdout(std::io::stderr());
    program::run(command)
}

impl Report {
    fn read(area: &Area, home: &Path, counting: bool) -> Result<Self> {
        let mut report = Self {
            figures: Vec::new(),
            skipped: Vec::new(),
        };
        for limit in &area.figures {
            if limit.unit == Unit::Instructions && !counting {
                report.skipped.push(Skipped {
                    name: limit.name.clone(),
                    reason: "instructions are counted by valgrind, which is not installed",
                });
                continue;
            }
            let value = measured(area, home, limit, &limit.id)?;
            let baseline = limit.baseline.as_ref();
            let baseline = baseline
                .map(|id| measured(area, home, limit, id))
                .transpose()?;
            report.figures.push(Figure::new(limit, value, baseline));
        }
        Ok(report)
    }

    fn print(&self, json: bool) -> Result<()> {
        for skipped in &self.skipped {
            eprintln!("NOT MEASURED: {}: {}", skipped.name, skipped.reason);
        }
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            for figure in &self.figures {
                println!("{}", figure.shown());
            }
        }
        Ok(())
    }
}

/// What was measured of the benchmark `id`, in the unit of measurement that the limit asks for.
fn measured(area: &Area, home: &Path, limit: &Limit, id: &str) -> Result<f64> {
    match (limit.unit, &area.instructions) {
        (Unit::Instructions, Some(bench)) => instructions::counted(home, bench, id),
        (Unit::Instructions, None) => bail!("`{}` needs an area with `instructions`", limit.name),
        _ => estimates::nanoseconds(home, id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/limits.toml");
        Limits::read(&path).expect("valid")
    }

    #[test]
    fn figures_that_cannot_be_counted_here_are_named_and_not_taken_for_good_ones() {
        let home = tempfile::tempdir().expect("a folder");
        let limits: Limits = toml::from_str(
            "[a]\ninstructions = \"b\"\n[[a.figures]]\nname = \"n\"\nid = \"g/f\"\nunit = \"instructions\"\nlimit_value = 1",
        )
        .expect("valid");
        let area = limits.area("a").expect("there");
        let report = Report::read(area, home.path(), false).expect("read");
        assert!(report.figures.is_empty());
        assert_eq!(report.skipped[0].name, "n");
        assert!(
            Report::read(area, home.path(), true).is_err(),
            "no figure was written"
        );
    }

    #[test]
    fn every_area_names_bench_targets_that_there_are() {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/benches");
        let limits = limits();
        for name in limits.areas() {
            let area = limits.area(name).expect("there");
            let targets = area
                .benches(name)
                .into_iter()
                .chain(area.instructions.as_deref());
            for target in targets {
                assert!(benches.join(format!("{target}.rs")).is_file(), "{target}");
            }
        }
    }
}
