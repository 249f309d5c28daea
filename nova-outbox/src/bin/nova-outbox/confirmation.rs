use std::io::{IsTerminal, Write};

use crate::arguments::Global;
use crate::failure::Failure;

/// Asks before something that cannot be undone. Without a terminal nobody can answer: it wants `--yes` then.
pub(crate) fn confirm(global: &Global, question: &str) -> Result<(), Failure> {
    if global.yes {
        return Ok(());
    }
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !output.is_terminal() {
        return Err(Failure::NotConfirmed(format!(
            "{question} There is no terminal to ask on: say --yes"
        )));
    }
    let mut answer = String::new();
    let asked = write!(output, "{question} [y/N] ")
        .and_then(|()| output.flush())
        .and_then(|()| input.read_line(&mut answer));
    match asked {
        Ok(_) if matches!(&*answer.trim().to_lowercase(), "y" | "yes") => Ok(()),
        _ => Err(Failure::NotConfirmed("nothing was done".to_owned())),
    }
}
