use nova_outbox::OutboxAdmin;
use serde_json::json;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::report;

pub(crate) async fn run(admin: &OutboxAdmin, global: &Global) -> Result<(), Failure> {
    let before = admin.schema_version().await?;
    if before.is_behind() && !global.dry_run {
        admin.migrate().await?;
    }
    let (from, to) = (before.applied, before.applied.max(Some(before.latest)));
    report(
        global,
        || json!({ "from": from, "to": to, "dry_run": global.dry_run }),
        || {
            let to = to.unwrap_or_default();
            let from =
                from.map_or_else(|| "no tables".to_owned(), |from| format!("version {from}"));
            match (before.is_behind(), global.dry_run) {
                (false, _) => format!("the tables are up to date: {from}\n"),
                (true, true) => format!("would migrate from {from} to version {to}\n"),
                (true, false) => format!("migrated from {from} to version {to}\n"),
            }
        },
    )
}
