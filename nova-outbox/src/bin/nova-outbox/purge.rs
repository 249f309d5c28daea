use clap::Args;
use nova_outbox::{Batches, OutboxAdmin};
use serde_json::json;

use crate::arguments::Global;
use crate::confirmation::confirm;
use crate::failure::Failure;
use crate::list::Filter;
use crate::output::report;
use crate::progress;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    filter: Filter,
    /// How many events a transaction deletes, 1 to 10000.
    #[arg(long, default_value_t = Batches::DEFAULT, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
}

pub(crate) async fn run(
    admin: &OutboxAdmin,
    global: &Global,
    options: Options,
) -> Result<(), Failure> {
    if options.filter.older_than.is_none() {
        return Err(Failure::Usage(
            "how old? Say --older-than 30d, or --older-than 0s for all".to_owned(),
        ));
    }
    let filter = options.filter.into_filter();
    let batches = admin.purge(filter).await?.size(options.batch);
    let matched = batches.total();
    if global.dry_run || matched == 0 {
        return tell(global, matched, 0, false);
    }
    confirm(global, &format!("Delete {matched} dead letters for good?"))?;
    let ended = progress::run(global, batches).await?;
    tell(global, matched, ended.done, ended.interrupted)
}

fn tell(global: &Global, matched: u64, purged: u64, interrupted: bool) -> Result<(), Failure> {
    report(
        global,
        || {
            json!({
                "matched": matched,
                "purged": purged,
                "dry_run": global.dry_run,
                "interrupted": interrupted,
            })
        },
        || match (global.dry_run, interrupted) {
            (true, _) => format!("{matched} dead letters would be deleted\n"),
            (false, true) => format!(
                "interrupted: {purged} of {matched} dead letters are deleted; the same command goes on\n"
            ),
            (false, false) => format!("{purged} dead letters are deleted\n"),
        },
    )?;
    if interrupted {
        return Err(Failure::Interrupted);
    }
    Ok(())
}
