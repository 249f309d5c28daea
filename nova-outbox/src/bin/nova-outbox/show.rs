use clap::Args;
use nova_outbox::OutboxAdmin;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::report;
use crate::table::table;
use crate::view;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The event's id.
    id: Uuid,
}

pub(crate) async fn run(
    admin: &OutboxAdmin,
    global: &Global,
    options: &Options,
) -> Result<(), Failure> {
    let events = admin.find(options.id).await?;
    if events.is_empty() {
        return Err(Failure::NotFound(format!(
            "event {} is not in the outbox: it was published, or never committed",
            options.id
        )));
    }
    let values: Vec<Value> = events.iter().map(view::details).collect();
    let text = || values.iter().map(text).collect::<Vec<_>>().join("\n");
    report(global, || json!({ "events": values }), text)
}

/// A line per field that says something.
fn text(event: &Value) -> String {
    let fields = event.as_object().into_iter().flatten();
    let rows: Vec<_> = fields
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let shown = match value {
                Value::String(text) if name != "payload" => text.clone(),
                other => other.to_string(),
            };
            vec![name.clone(), shown]
        })
        .collect();
    table(&rows)
}
