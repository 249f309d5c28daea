//! The tests that need real engines.
//!
//! They live in the module `engines` of a package's integration binary and are marked `#[ignore = "needs real engines: …"]`. The marks are
//! counted in the sources and compared with what ran, so that none is left out in silence.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engines;
use crate::program;
use crate::test_run::{self, Count};
use crate::workspace::{Package, Workspace};

/// How a test says that it needs engines.
const MARK: &str = "#[ignore = \"needs real engines";

/// The packages that must have such tests, with the features that these need.
const PACKAGES: [(&str, &str); 4] = [
    ("nova-events", "kafka,postgres,redis"),
    ("nova-outbox", "kafka,postgres"),
    ("nova-platform", "postgres"),
    ("nova-service", "postgres,redis"),
];

/// The packages whose whole integration binary runs on PostgreSQL where it is built for it.
const BUILT_FOR_POSTGRES: [&str; 1] = ["nova-auth-service"];

/// Runs them, on engines that run already or are started for it, and stops those that it started.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<Count> {
    let plan = plan(workspace)?;
    let started = engines::up(workspace, &[])?;
    let outcome = run_all(workspace, &plan, filter);
    if !started.is_empty() {
        engines::down(workspace, &started, true)?;
    }
    outcome
}

/// A package with tests that need engines.
#[derive(Debug, Eq, PartialEq)]
struct Planned {
    package: String,
    features: &'static str,
    tests: usize,
}

fn plan(workspace: &Workspace) -> Result<Vec<Planned>> {
    let mut marked = Vec::new();
    for package in &workspace.packages {
        marked.push((package.name.as_str(), marks_below(package)?));
    }
    planned(&marked)
}

/// Marks and the list of packages must agree, both ways.
fn planned(marked: &[(&str, usize)]) -> Result<Vec<Planned>> {
    for (package, tests) in marked {
        if *tests > 0 && !PACKAGES.iter().any(|(name, _)| name == package) {
            bail!(
                "{package} has {tests} tests that need real engines, but test-engines does not know its features"
            );
        }
    }
    PACKAGES
        .into_iter()
        .map(|(package, features)| {
            let tests = marked.iter().find(|(name, _)| *name == package).map_or(0, |(_, tests)| *tests);
            if tests == 0 {
                bail!("{package} should have tests that need real engines, and has none ({MARK}: …\"])");
            }
            Ok(Planned {
                package: package.to_owned(),
                features,
                tests,
            })
        })
        .collect()
}

fn run_all(workspace: &Workspace, plan: &[Planned], filter: Option<&str>) -> Result<Count> {
    let mut count = Count::default();
    for planned in plan {
        // A test may have stopped an engine and failed before it started it again.
        engines::up(workspace, &[])?;
        let ran = test_run::run(&mut command(workspace, planned, filter)?)?;
        if filter.is_none() && ran.failed == 0 && ran.passed != planned.tests {
            bail!(
                "{} has {} tests that need real engines, but {} ran: each belongs to the module `engines` of tests/it",
                planned.package,
                planned.tests,
                ran.passed
            );
        }
        count += ran;
    }
    for package in BUILT_FOR_POSTGRES {
        let mut command = on_engines(workspace, package, "postgres")?;
        command.args(filter);
        let ran = test_run::run(&mut command)?;
        if filter.is_none() && ran.passed + ran.failed == 0 {
            bail!("{package} has no test that runs on PostgreSQL");
        }
        count += ran;
    }
    if count == Count::default() {
        bail!(
            "no test that needs real engines has `{}` in its name",
            filter.unwrap_or_default()
        );
    }
    Ok(count)
}

fn command(workspace: &Workspace, planned: &Planned, filter: Option<&str>) -> Result<Command> {
    let mut command = on_engines(workspace, &planned.package, planned.features)?;
    command.args(["--ignored", filter.unwrap_or("engines::")]);
    Ok(command)
}

/// The integration binary of a package, with the environment that leads to the engines.
fn on_engines(workspace: &Workspace, package: &str, features: &str) -> Result<Command> {
    let mut command = program::cargo();
    command
        .current_dir(&workspace.root)
        .args(["test", "--package", package, "--features", features])
        // One at a time: a test may stop the broker.
        .args(["--test", "it", "--", "--test-threads=1"])
        .envs(engines::environment(workspace)?)
        // For tests that stop an engine: `$NOVA_XTASK engines down kafka`.
        .env(
            "NOVA_XTASK",
            std::env::current_exe().context("xtask does not know its own path")?,
        );
    Ok(command)
}

/// How many tests below the package's folder bear the mark.
fn marks_below(package: &Package) -> Result<usize> {
    let mut marks = 0;
    for folder in ["src", "tests"] {
        let dir = package.dir.join(folder);
        if dir.is_dir() {
            marks += marks_in(&dir)?;
        }
    }
    Ok(marks)
}

fn marks_in(dir: &Path) -> Result<usize> {
    let mut marks = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            marks += marks_in(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            marks += text
                .lines()
                .filter(|line| line.trim_start().starts_with(MARK))
                .count();
        }
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_lost_its_engine_tests_is_an_error() {
        let error = planned(&[("nova-events", 2), ("nova-outbox", 0), ("nova-platform", 1)])
            .expect_err("none");
        assert!(
            error
                .to_string()
                .starts_with("nova-outbox should have tests"),
            "{error}"
        );
    }

    #[test]
    fn a_package_that_nobody_listed_is_an_error() {
        let marked = [
            ("nova-events", 2),
            ("nova-outbox", 1),
            ("nova-platform", 1),
            ("nova-client", 1),
        ];
        let error = planned(&marked).expect_err("not listed");
        assert!(
            error.to_string().starts_with("nova-client has 1 tests"),
            "{error}"
        );
    }

    #[test]
    fn marks_are_counted_in_all_files_but_not_in_prose() {
        let dir = tempfile::tempdir().expect("a folder");
        let tests = dir.path().join("tests/it");
        fs::create_dir_all(&tests).expect("a folder");
        let marked = format!("{MARK}: cargo xtask test-engines\"]\nfn a() {{}}\n");
        fs::write(
            tests.join("engines.rs"),
            format!("{marked}\n// {MARK}\n    {marked}"),
        )
        .expect("a file");
        fs::write(tests.join("other.rs"), "#[ignore = \"slow\"]\nfn b() {}\n").expect("a file");
        let package = Package {
            name: "a".to_owned(),
            dir: dir.path().to_owned(),
            manifest: toml::Table::new(),
        };
        assert_eq!(marks_below(&package).expect("readable"), 2);
    }
}
