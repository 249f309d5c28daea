use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nova_events::schemas::{EventCatalogue, EventContract};

/// What is checked in, and so the baseline of every change.
const CHECKED_IN: &str = "nova-events/schemas";

/// The JSON Schemas of the platform's events and the AsyncAPI document, unless they would break those that are checked in.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let released = released(Path::new(CHECKED_IN))?;
    let catalogue = EventCatalogue::platform();
    let breaks = catalogue.breaking_changes_since(&released);
    if !breaks.is_empty() {
        let breaks: Vec<_> = breaks.iter().map(|change| format!("  {change}")).collect();
        bail!(
            "the events break those of {CHECKED_IN}:\n{}\nraise SCHEMA_VERSION and upcast, or make it a new event",
            breaks.join("\n")
        );
    }
    for (name, text) in catalogue.files(&released)? {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The contracts that are checked in; none before there are any.
fn released(folder: &Path) -> Result<Vec<EventContract>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut contracts = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        if path.file_name() == Some(OsStr::new(EventCatalogue::ASYNCAPI)) {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let contract = text
            .parse()
            .with_context(|| format!("{} is no event's schema", path.display()))?;
        contracts.push(contract);
    }
    Ok(contracts)
}
