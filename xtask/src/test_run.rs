//! Running `cargo test` and counting what it did.

use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::program;

/// How many tests ran, over any number of test binaries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs the command, shows its output as it comes, and counts its tests.
///
/// A command that fails without a failed test (a crash, code that doesn't compile) counts as one failure.
pub(crate) fn run(command: &mut Command) -> Result<Count> {
    run_to(command, &mut std::io::stdout().lock())
}

fn run_to(command: &mut Command, shown_to: &mut impl Write) -> Result<Count> {
    let shown = program::show(command);
    eprintln!("$ {shown}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let output = child.stdout.take().context("the output is piped")?;
    let mut count = Count::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        shown_to.write_all(&line)?;
        shown_to.write_all(b"\n")?;
        if let Some(binary) = result_line(&String::from_utf8_lossy(&line)) {
            count += binary;
        }
    }
    if !child.wait()?.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn result_line(line: &str) -> Option<Count> {
    let figures = line
        .trim()
        .strip_prefix("test result: ")?
        .split_once(". ")?
        .1;
    let figure = |name| {
        figures
            .split("; ")
            .find_map(|part| part.strip_suffix(name)?.trim().parse().ok())
    };
    Some(Count {
        passed: figure("passed")?,
        failed: figure("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it shows goes nowhere: these tests are themselves counted by what they print.
    fn shell(script: &str) -> Count {
        run_to(
            Command::new("sh").args(["-c", script]),
            &mut std::io::sink(),
        )
        .expect("a shell")
    }

    #[test]
    fn the_results_of_all_binaries_are_summed() {
        let count = shell(
            "echo 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s'; \
             echo 'test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s'; exit 101",
        );
        assert_eq!(
            count,
            Count {
                passed: 5,
                failed: 1
            }
        );
        assert_eq!(count.to_string(), "5 passed, 1 failed");
    }

    #[test]
    fn a_run_that_breaks_off_is_a_failure() {
        assert_eq!(
            shell("echo 'test result: ok. 3 passed; 0 failed'; exit 101"),
            Count {
                passed: 3,
                failed: 1
            }
        );
        assert_eq!(
            shell("exit 1"),
            Count {
                passed: 0,
                failed: 1
            }
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(
            shell("echo '3 passed; 0 failed'; echo test a ... ok"),
            Count::default()
        );
    }
}
