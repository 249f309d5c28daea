use std::collections::BTreeSet;

use clap::Args;
use nova_outbox::{Batches, EventFilter, OutboxAdmin, Shelf};
use serde_json::json;
use uuid::Uuid;

use crate::arguments::Global;
use crate::confirmation::confirm;
use crate::failure::Failure;
use crate::list::Filter;
use crate::output::report;
use crate::progress;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The ids of dead letters; else a filter, or --all.
    ids: Vec<Uuid>,
    #[command(flatten)]
    filter: Filter,
    /// All dead letters.
    #[arg(long)]
    all: bool,
    /// How many events a transaction moves, 1 to 10000.
    #[arg(long, default_value_t = Batches::DEFAULT, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
}

pub(crate) async fn run(
    admin: &OutboxAdmin,
    global: &Global,
    options: Options,
) -> Result<(), Failure> {
    let Options {
        ids,
        filter,
        all,
        batch,
    } = options;
    let filter = filter.into_filter();
    let ways = [!ids.is_empty(), !filter.is_empty(), all];
    if ways.into_iter().filter(|given| *given).count() != 1 {
        return Err(Failure::Usage(
            "which dead letters? Give their ids, or a filter, or --all: one of them".to_owned(),
        ));
    }
    if !ids.is_empty() {
        all_there(admin, &ids).await?;
    }
    let asks = ids.is_empty();
    let batches = admin.replay(filter.ids(ids)).await?.size(batch);
    let matched = batches.total();
    if global.dry_run || matched == 0 {
        return tell(global, matched, 0, false);
    }
    if asks {
        confirm(global, &format!("Publish {matched} dead letters again?"))?;
    }
    let ended = progress::run(global, batches).await?;
    tell(global, matched, ended.done, ended.interrupted)
}

/// An id that is not there is a mistake, which is to be told before anything is done.
async fn all_there(admin: &OutboxAdmin, ids: &[Uuid]) -> Result<(), Failure> {
    let filter = EventFilter::new().ids(ids.iter().copied());
    let mut missing: BTreeSet<Uuid> = ids.iter().copied().collect();
    let mut after = Some(0);
    while let Some(from) = after {
        let limit = OutboxAdmin::MAX_PAGE;
        let page = admin.list(Shelf::Dead, &filter, from, limit).await?;
        for event in &page.events {
            missing.remove(&event.id);
        }
        after = page.next;
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.iter().map(Uuid::to_string).collect();
    Err(Failure::NotFound(format!(
        "not among the dead letters: {}",
        missing.join(", ")
    )))
}

fn tell(global: &Global, matched: u64, replayed: u64, interrupted: bool) -> Result<(), Failure> {
    report(
        global,
        || {
            json!({
                "matched": matched,
                "replayed": replayed,
                "dry_run": global.dry_run,
                "interrupted": interrupted,
            })
        },
        || match (global.dry_run, interrupted) {
            (true, _) => format!("{matched} dead letters would be published again\n"),
            (false, true) => format!(
                "interrupted: {replayed} of {matched} dead letters are in the outbox again; the same command goes on\n"
            ),
            (false, false) => format!("{replayed} dead letters are in the outbox again\n"),
        },
    )?;
    if interrupted {
        return Err(Failure::Interrupted);
    }
    Ok(())
}
