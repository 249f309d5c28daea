//! What must hold before a change is taken, in one command.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::test_run::{self, Count};
use crate::workspace::Workspace;
use crate::{apt, codegen, deny, program, test_engines, tidy};

/// Runs every step, also after one that failed, so that one run shows all there is to repair; whether all held.
///
/// The last line of the output is the sum of all test runs.
pub(crate) fn run(workspace: &Workspace) -> bool {
    const STEPS: [(&str, Step); 11] = [
        ("tools", tools),
        ("formatting", formatting),
        ("clippy", clippy),
        ("tidy", |workspace, _| tidy::run(workspace)),
        ("features, each alone", features),
        ("tests", tests),
        ("what must not compile", compile_fail),
        ("tests on real engines", engine_tests),
        ("docs", docs),
        ("licences and advisories", |workspace, _| {
            deny::run(workspace)
        }),
        ("generated files", |workspace, _| {
            codegen::run(workspace, true)
        }),
    ];
    let begun = Instant::now();
    let mut count = Count::default();
    let mut report = Vec::new();
    let mut success = true;
    for (name, step) in STEPS {
        eprintln!("\n== {name}");
        let begun = Instant::now();
        let outcome = step(workspace, &mut count);
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        report.push(format!(
            "{verdict:<7} {:>6.1} s  {name}",
            begun.elapsed().as_secs_f64()
        ));
        if let Err(error) = outcome {
            eprintln!("error: {error:#}");
            success = false;
        }
    }
    println!();
    for line in report {
        println!("{line}");
    }
    println!("total   {:>6.1} s", begun.elapsed().as_secs_f64());
    println!("{count}");
    success
}

type Step = fn(&Workspace, &mut Count) -> Result<()>;

/// What the other steps need and a fresh machine may lack.
fn tools(_workspace: &Workspace, _count: &mut Count) -> Result<()> {
    // librdkafka is C and C++ with a makefile.
    for (tool, package) in [("gcc", "gcc"), ("g++", "g++"), ("make", "make")] {
        apt::ensure(tool, package)?;
    }
    for component in ["rustfmt", "clippy"] {
        let subcommand = component.trim_start_matches("rust");
        if !program::succeeds(program::cargo().args([subcommand, "--version"])) {
            program::run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("{component} is missing"))?;
        }
    }
    Ok(())
}

fn formatting(workspace: &Workspace, _count: &mut Count) -> Result<()> {
    cargo(workspace, &["fmt", "--all", "--check"])
}

fn clippy(workspace: &Workspace, _count: &mut Count) -> Result<()> {
    cargo(
        workspace,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    let postgres = [
        "--package",
        "nova-platform",
        "--features",
        "postgres",
        "--all-targets",
    ];
    cargo(
        workspace,
        &[&["clippy"], &postgres[..], &["--", "-D", "warnings"]].concat(),
    )
}

/// A feature only adds: each library compiles without any, and with each one alone.
fn features(workspace: &Workspace, _count: &mut Count) -> Result<()> {
    for package in workspace
        .packages
        .iter()
        .filter(|package| package.is_library())
    {
        let check = [
            "check",
            "--quiet",
            "--package",
            &package.name,
            "--no-default-features",
        ];
        cargo(workspace, &check)?;
        for feature in package.features().filter(|feature| *feature != "default") {
            cargo(workspace, &[&check[..], &["--features", feature]].concat())?;
        }
    }
    Ok(())
}

fn tests(workspace: &Workspace, count: &mut Count) -> Result<()> {
    let mut command = program::cargo();
    command
        .current_dir(&workspace.root)
        .args(["test", "--workspace", "--no-fail-fast"]);
    add(count, test_run::run(&mut command)?)
}

/// Apart from the other tests, since trybuild compiles the dependencies once more.
fn compile_fail(workspace: &Workspace, count: &mut Count) -> Result<()> {
    let mut command = program::cargo();
    command
        .current_dir(&workspace.root)
        .args(["test", "--package", "nova-outbox", "--test", "it"])
        .args(["--", "--ignored", "compile_fail::"]);
    let ran = test_run::run(&mut command)?;
    if ran == Count::default() {
        bail!("nova-outbox has no test `compile_fail::…`");
    }
    add(count, ran)
}

fn engine_tests(workspace: &Workspace, count: &mut Count) -> Result<()> {
    add(count, test_engines::run(workspace, None)?)
}

/// As a user builds them, and with all features, as they are published.
fn docs(workspace: &Workspace, _count: &mut Count) -> Result<()> {
    for features in [&[][..], &["--all-features"]] {
        let mut command = program::cargo();
        command
            .current_dir(&workspace.root)
            .args(["doc", "--workspace", "--no-deps"])
            .args(features)
            .env("RUSTDOCFLAGS", "-D warnings");
        program::run(&mut command)?;
    }
    Ok(())
}

fn add(count: &mut Count, ran: Count) -> Result<()> {
    *count += ran;
    match ran.failed {
        0 => Ok(()),
        failed => bail!("{failed} of {} tests failed", ran.passed + failed),
    }
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    program::run(
        program::cargo()
            .current_dir(&workspace.root)
            .args(arguments),
    )
}
