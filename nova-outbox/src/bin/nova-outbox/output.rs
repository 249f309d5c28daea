use std::io::{ErrorKind, Write};

use serde_json::Value;

use crate::arguments::Global;
use crate::failure::Failure;

/// Writes the outcome: as JSON where that is asked for, else for people.
pub(crate) fn report(
    global: &Global,
    json: impl FnOnce() -> Value,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if global.json {
        write(&format!("{:#}\n", json()))
    } else {
        write(&text())
    }
}

/// Writes to the standard output. A reader that has seen enough is no failure.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("cannot write the output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Text from the database, safe to be shown: what would steer a terminal or break the line is escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_escaped() {
        assert_eq!(printable("a\u{1b}[2J\nb ä"), "a\\u{1b}[2J\\nb ä");
    }
}
