use std::str::FromStr;

use nova_errors::ServiceError;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical;
use crate::DomainEvent;
use crate::field::refused;

/// What an event promises to those who read it: its names, what decides its topic and its key, and the
/// JSON Schema (draft 07) of its payload.
///
/// As text, by `to_string` and `parse`, it is the schema with the rest beside it under `x-event`: the form in which it
/// is checked in.
///
/// ```
/// use nova_events::content::PostCreated;
/// use nova_events::schemas::EventContract;
///
/// let contract = EventContract::of::<PostCreated>();
/// assert_eq!(contract.file_name(), "content.post.created.v1.json");
/// assert_eq!(contract.payload()["properties"]["post_id"]["format"], "uuid");
/// assert_eq!(contract.to_string().parse::<EventContract>()?, contract);
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventContract {
    pub(super) names: Names,
    pub(super) payload: Value,
}

/// What a contract says beside the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    pub(super) event_type: String,
    pub(super) schema_version: u32,
    pub(super) aggregate_type: String,
    pub(super) key: Option<String>,
    pub(super) aliases: Vec<String>,
}

/// Where the names stand in the document.
const NAMES: &str = "x-event";

impl EventContract {
    /// The contract of a type.
    #[must_use]
    pub fn of<E: DomainEvent + JsonSchema>() -> Self {
        let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<E>();
        Self {
            names: Names {
                event_type: E::EVENT_TYPE.to_owned(),
                schema_version: E::SCHEMA_VERSION,
                aggregate_type: E::AGGREGATE_TYPE.to_owned(),
                key: E::KEY_FIELD.map(str::to_owned),
                aliases: E::ALIASES.iter().map(|name| (*name).to_owned()).collect(),
            },
            payload: canonical::sorted(schema.into()),
        }
    }

    /// The routing key.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.names.event_type
    }

    /// The version of the payload's schema, from 1.
    #[must_use]
    pub const fn schema_version(&self) -> u32 {
        self.names.schema_version
    }

    /// What decides the topic.
    #[must_use]
    pub fn aggregate_type(&self) -> &str {
        &self.names.aggregate_type
    }

    /// The field of the payload that is the record key; `None` where the key is put together.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.names.key.as_deref()
    }

    /// Older names of the event type that are read too.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.names.aliases
    }

    /// The JSON Schema of the payload.
    #[must_use]
    pub const fn payload(&self) -> &Value {
        &self.payload
    }

    /// The file that it is checked in as: `{event_type}.v{version}.json`. Each version has its own.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!(
            "{}.v{}.json",
            self.names.event_type, self.names.schema_version
        )
    }
}

impl std::fmt::Display for EventContract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut document = self.payload.clone();
        if let (Value::Object(fields), Ok(names)) =
            (&mut document, serde_json::to_value(&self.names))
        {
            fields.insert(NAMES.to_owned(), names);
        }
        f.write_str(&canonical::text(document))
    }
}

impl FromStr for EventContract {
    type Err = ServiceError;

    /// Reads a contract that was checked in. A text that is none is a `Validation` error.
    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let unreadable = |error| refused("contract", "expected JSON").with_source(error);
        let mut payload: Value = serde_json::from_str(text).map_err(unreadable)?;
        let names = payload
            .as_object_mut()
            .and_then(|fields| fields.remove(NAMES))
            .ok_or_else(|| refused("contract", format!("expected an object with {NAMES}")))?;
        let names = serde_json::from_value(names)
            .map_err(|error| refused(NAMES, "expected the names of an event").with_source(error))?;
        Ok(Self { names, payload })
    }
}
