use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nova_outbox::Batches;
use nova_service::Shutdown;

use crate::arguments::Global;
use crate::failure::Failure;

/// How a long operation ended.
pub(crate) struct Ended {
    pub(crate) done: u64,
    pub(crate) interrupted: bool,
}

/// Does all batches, with a bar on a terminal. A signal ends it after the batch under way.
pub(crate) async fn run(global: &Global, mut batches: Batches) -> Result<Ended, Failure> {
    let shutdown = Shutdown::on_signal()?;
    let bar = bar(global, batches.total());
    while !shutdown.is_requested() {
        match batches.next().await {
            Ok(Some(events)) => bar.inc(events),
            Ok(None) => {
                bar.finish_and_clear();
                return Ok(Ended {
                    done: batches.done(),
                    interrupted: false,
                });
            }
            Err(error) => {
                bar.abandon();
                eprintln!(
                    "{} of {} events are done; the same command goes on",
                    batches.done(),
                    batches.total()
                );
                return Err(error.into());
            }
        }
    }
    bar.abandon();
    Ok(Ended {
        done: batches.done(),
        interrupted: true,
    })
}

fn bar(global: &Global, total: u64) -> ProgressBar {
    let hidden = global.json || !std::io::stderr().is_terminal();
    let target = if hidden {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} events, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
