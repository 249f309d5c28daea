//! Fault runs: programs that break things on purpose and check the history for what must never happen.
//!
//! An area `NAME` is the example `benches/examples/chaos_NAME.rs`. It takes `--seconds N --seed S --json` and prints one JSON object on
//! standard output: `{"seed": S, "done": {…}, "violations": ["…"]}`.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engines;
use crate::program;
use crate::workspace::Workspace;

const PACKAGE: &str = "nova-benches";
const PREFIX: &str = "chaos_";

/// Which fault run, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The area, or `list` for the areas that there are.
    name: String,
    /// How long faults are made.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Repeats an earlier run's faults [default: a new seed].
    #[arg(long)]
    seed: Option<u64>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// What a fault run did and found.
#[derive(Debug, Deserialize, Serialize)]
struct Summary {
    seed: u64,
    done: Map<String, Value>,
    violations: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let areas = areas(workspace)?;
    if options.name == "list" {
        for area in areas {
            println!("{area}");
        }
        return Ok(());
    }
    if !areas.contains(&options.name) {
        bail!(
            "there is no fault run `{}`; there are: {}",
            options.name,
            listed(&areas)
        );
    }
    // Half of the range, so that every reader of JSON keeps the number exact.
    let seed = options
        .seed
        .unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 12);
    eprintln!(
        "chaos {}: {} s with seed {seed}",
        options.name, options.seconds
    );
    let summary = play(workspace, options, seed)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!("{}", shown(&summary));
    }
    match summary.violations.len() {
        0 => Ok(()),
        violations => bail!("{violations} violations; again with --seed {seed}"),
    }
}

fn play(workspace: &Workspace, options: &Options, seed: u64) -> Result<Summary> {
    let output = program::cargo()
        .current_dir(&workspace.root)
        .args(["run", "--quiet", "--package", PACKAGE, "--example"])
        .arg(format!("{PREFIX}{}", options.name))
        .args(["--", "--json", "--seconds", &options.seconds.to_string()])
        .args(["--seed", &seed.to_string()])
        // For those that need engines, and stop them: `$NOVA_XTASK engines down kafka`.
        .envs(engines::environment(workspace)?)
        .env(
            "NOVA_XTASK",
            std::env::current_exe().context("xtask does not know its own path")?,
        )
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    let summary: Summary = serde_json::from_slice(&output.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&output.stdout);
        format!(
            "the run with seed {seed} gave no summary, and ended with {}: {said}",
            output.status
        )
    })?;
    if summary.seed != seed {
        bail!(
            "the run was asked for seed {seed} and used {}",
            summary.seed
        );
    }
    if !output.status.success() && summary.violations.is_empty() {
        bail!(
            "the run with seed {seed} ended with {} and names no violation",
            output.status
        );
    }
    Ok(summary)
}

fn shown(summary: &Summary) -> String {
    let mut lines = vec![format!("seed {}", summary.seed)];
    lines.extend(
        summary
            .done
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    lines.extend(
        summary
            .violations
            .iter()
            .map(|violation| format!("VIOLATION: {violation}")),
    );
    if summary.violations.is_empty() {
        lines.push("no violation".to_owned());
    }
    lines.join("\n")
}

/// The areas that have a program.
fn areas(workspace: &Workspace) -> Result<Vec<String>> {
    let dir = workspace.root.join("benches/examples");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut areas = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let name = entry?.file_name();
        let area = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(".rs"));
        areas.extend(area.map(str::to_owned));
    }
    areas.sort();
    Ok(areas)
}

fn listed(areas: &[String]) -> String {
    if areas.is_empty() {
        "none yet".to_owned()
    } else {
        areas.join(", ")
    }
}
