//! JSON Schemas of events, the AsyncAPI document that holds them together, and the check that no change of a type
//! breaks who has records or readers of it.
//!
//! The events of the platform are in [`EventCatalogue::platform`]; its files are in the folder `schemas` of this crate,
//! checked in. A service has a catalogue of its own events, checks its files in too, and compares them in a test:
//!
//! ```
//! use nova_events::domain_event;
//! use nova_events::schemas::{EventCatalogue, EventContract};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// Somebody ordered something.
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct OrderPlaced {
//!     order_id: String,
//!     total_cents: u64,
//! }
//! domain_event! {
//!     OrderPlaced { event_type: "order.placed", aggregate_type: "order", key: order_id }
//! }
//!
//! let catalogue = EventCatalogue::new("Shop", "1.0.0")
//!     .event::<OrderPlaced>("order-service", &["invoice-service"]);
//!
//! // What was checked in when the total was still called `total`.
//! let released: EventContract = r#"{
//!     "type": "object",
//!     "properties": {
//!         "order_id": { "type": "string" },
//!         "total": { "type": "integer", "format": "uint64", "minimum": 0 }
//!     },
//!     "required": ["order_id", "total"],
//!     "x-event": {
//!         "event_type": "order.placed", "schema_version": 1, "aggregate_type": "order",
//!         "key": "order_id", "aliases": []
//!     }
//! }"#.parse()?;
//! let breaks: Vec<String> = catalogue
//!     .breaking_changes_since(&[released])
//!     .iter()
//!     .map(ToString::to_string)
//!     .collect();
//! assert_eq!(breaks, [
//!     "order.placed: field `total` was removed",
//!     "order.placed: field `total_cents` is new and required",
//! ]);
//! # Ok::<(), nova_errors::ServiceError>(())
//! ```
//!
//! # What breaks
//!
//! Records are kept, and producers and consumers are released one by one. So a new reader must understand every old record, and
//! an old reader every new one. Within a version a type may get optional fields, and open enums may get words; an
//! [upcast](crate::DomainEvent::upcast) and a higher version allow any change of the payload, once every reader is new. An event
//! that is renamed, or that moves to another topic or key, is another event: give it a type of its own.

mod asyncapi;
mod breaking_change;
mod canonical;
mod compatibility;
mod event_catalogue;
mod event_contract;
mod example;
mod payload_shape;
mod platform;
mod record_headers;

pub use breaking_change::{BreakingChange, Change};
pub use event_catalogue::EventCatalogue;
pub use event_contract::EventContract;
