use nova_outbox::{Bucket, OutboxAdmin};
use serde_json::json;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::report;
use crate::table::table;
use crate::view::seconds;

pub(crate) async fn run(admin: &OutboxAdmin, global: &Global) -> Result<(), Failure> {
    let summary = admin.summary().await?;
    let stats = summary.stats;
    let (oldest, oldest_dead, next_due) = (
        seconds(stats.oldest_age),
        seconds(summary.oldest_dead),
        seconds(summary.next_due),
    );
    report(
        global,
        || {
            json!({
                "pending": stats.pending,
                "oldest_age_seconds": oldest,
                "retrying": stats.retrying,
                "dead": stats.dead,
                "oldest_dead_seconds": oldest_dead,
                "scheduled": summary.scheduled,
                "next_due_seconds": next_due,
                "relays": summary.relays,
                "owned_buckets": summary.owned_buckets,
                "buckets": Bucket::COUNT,
            })
        },
        || {
            let of = |seconds: Option<f64>, what: &str| {
                seconds.map_or_else(String::new, |s| format!("{what} {s:.1} s"))
            };
            let row = |name: &str, count: u64, more: String| {
                vec![name.to_owned(), count.to_string(), more]
            };
            table(&[
                row("pending", stats.pending, of(oldest, "the oldest for")),
                row("retrying", stats.retrying, "aggregates on hold".to_owned()),
                row("dead", stats.dead, of(oldest_dead, "the oldest for")),
                row("scheduled", summary.scheduled, of(next_due, "the next in")),
                row(
                    "relays",
                    summary.relays,
                    format!("own {} of {} buckets", summary.owned_buckets, Bucket::COUNT),
                ),
            ])
        },
    )
}
