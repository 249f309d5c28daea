//! A place that breaks a rule.

use std::fmt;
use std::path::{Path, PathBuf};

/// One broken rule, with its place in the checkout.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Finding {
    path: PathBuf,
    line: usize,
    message: String,
}

impl Finding {
    pub(super) fn new(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// What a check found, as `line: message`, for the checks' own tests.
#[cfg(test)]
pub(super) fn lines(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
    findings
        .into_iter()
        .map(|finding| format!("{}: {}", finding.line, finding.message))
        .collect()
}
