use clap::{Args, ValueEnum};
use nova_outbox::{EventFilter, OutboxAdmin, Shelf};
use serde_json::json;

use crate::age::Age;
use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::report;
use crate::table::table;
use crate::view;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which events.
    #[arg(long, value_enum, default_value_t = State::Pending)]
    state: State,
    #[command(flatten)]
    filter: Filter,
    /// How many at most, 1 to 10000.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only those after this number: the `next` of the page before.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: i64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// What waits to be published, events of aggregates on hold included.
    Pending,
    /// What failed and is tried again.
    Retrying,
    /// What failed for good.
    Dead,
    /// What waits for its time.
    Scheduled,
}

/// Which events of a list.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only events of aggregates of this type.
    #[arg(long, value_name = "TYPE")]
    aggregate_type: Option<String>,
    /// Only events of aggregates with this id.
    #[arg(long, value_name = "ID")]
    aggregate_id: Option<String>,
    /// Only events of this type.
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only what was enqueued, or died, longer ago: 90s, 15m, 12h, 30d or 2w.
    #[arg(long, value_name = "AGE")]
    pub(crate) older_than: Option<Age>,
}

impl Filter {
    pub(crate) fn into_filter(self) -> EventFilter {
        let mut filter = EventFilter::new();
        if let Some(aggregate_type) = self.aggregate_type {
            filter = filter.aggregate_type(aggregate_type);
        }
        if let Some(aggregate_id) = self.aggregate_id {
            filter = filter.aggregate_id(aggregate_id);
        }
        if let Some(event_type) = self.event_type {
            filter = filter.event_type(event_type);
        }
        if let Some(age) = self.older_than {
            filter = filter.older_than(age.0);
        }
        filter
    }
}

pub(crate) async fn run(
    admin: &OutboxAdmin,
    global: &Global,
    options: Options,
) -> Result<(), Failure> {
    let shelf = match options.state {
        State::Pending => Shelf::Pending,
        State::Retrying => Shelf::Retrying,
        State::Dead => Shelf::Dead,
        State::Scheduled => Shelf::Scheduled,
    };
    let filter = options.filter.into_filter();
    let page = admin
        .list(shelf, &filter, options.after, options.limit)
        .await?;
    report(
        global,
        || {
            let events: Vec<_> = page.events.iter().map(view::event).collect();
            json!({ "events": events, "next": page.next })
        },
        || {
            let head = [
                "SEQ",
                "EVENT ID",
                "TYPE",
                "AGGREGATE",
                "BYTES",
                "CREATED",
                "STATE",
            ];
            let mut rows = vec![head.map(str::to_owned).to_vec()];
            rows.extend(page.events.iter().map(|event| {
                let remark = view::remark(&event.state);
                vec![
                    event.seq.to_string(),
                    event.id.to_string(),
                    event.event_type.clone(),
                    format!("{}/{}", event.aggregate_type, event.aggregate_id),
                    event.payload_size.to_string(),
                    view::time(event.created_at),
                    format!("{} {remark}", view::state(&event.state)),
                ]
            }));
            let more = page.next.map_or_else(String::new, |next| {
                format!("there are more: --after {next}\n")
            });
            table(&rows) + &more
        },
    )
}
