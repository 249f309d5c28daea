//! What clients report of themselves: topic `nova.analytics.events`, keyed by who reports.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::DomainEvent;

/// The aggregate type: decides the topic.
pub const AGGREGATE_TYPE: &str = "analytics";

/// A client reported something. Its name and properties come from outside: nothing but the sizes was checked.
///
/// The key is the user; for who is not signed in, the property
/// [`anonymous_id`](Self::ANONYMOUS_ID), and without one the report itself.
///
/// ```
/// use nova_events::{DomainEvent, analytics::AnalyticsEventRecorded};
/// use uuid::Uuid;
///
/// let mut report = AnalyticsEventRecorded {
///     event_id: Uuid::from_u128(1),
///     name: "page_viewed".to_owned(),
///     user_id: Some(Uuid::from_u128(2)),
///     properties: serde_json::Map::new(),
///     occurred_at: "2025-10-28T00:00:00Z".parse()?,
/// };
/// assert_eq!(report.aggregate_id(), Uuid::from_u128(2).to_string());
///
/// report.user_id = None;
/// report.properties.insert(AnalyticsEventRecorded::ANONYMOUS_ID.to_owned(), "device-7".into());
/// assert_eq!(report.aggregate_id(), "device-7");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct AnalyticsEventRecorded {
    /// The report, as its client named it; the record has an `event_id` of its own.
    pub event_id: Uuid,
    /// What happened, in the client's words.
    pub name: String,
    /// Who reported it, where somebody was signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// What else the client said.
    pub properties: Map<String, Value>,
    /// When, by the client's clock.
    pub occurred_at: DateTime<Utc>,
}

impl AnalyticsEventRecorded {
    /// The property that tells clients apart where nobody is signed in.
    pub const ANONYMOUS_ID: &'static str = "anonymous_id";
}

impl DomainEvent for AnalyticsEventRecorded {
    const EVENT_TYPE: &'static str = "analytics.event.recorded";
    const AGGREGATE_TYPE: &'static str = AGGREGATE_TYPE;

    fn aggregate_id(&self) -> String {
        if let Some(user_id) = self.user_id {
            return user_id.to_string();
        }
        match self.properties.get(Self::ANONYMOUS_ID) {
            Some(Value::String(id)) => id.clone(),
            _ => self.event_id.to_string(),
        }
    }
}
