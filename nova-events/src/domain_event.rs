use serde::Serialize;
use serde::de::DeserializeOwned;

/// A payload type that goes over the wire as an event.
///
/// The type is the contract: its JSON is the record's value, its constants are the headers, and
/// its aggregate id is the record key, which decides the partition and so the order. Later versions add
/// optional fields only (`#[serde(default)]`), and open enums keep a word that they don't know:
///
/// ```
/// use nova_events::{DomainEvent, NewEvent};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct OrderPlaced {
///     order_id: String,
///     channel: Channel,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(rename_all = "snake_case")]
/// enum Channel {
///     Web,
///     #[serde(untagged)]
///     Unknown(String),
/// }
///
/// impl DomainEvent for OrderPlaced {
///     const EVENT_TYPE: &'static str = "order.placed";
///     const AGGREGATE_TYPE: &'static str = "order";
///
///     fn aggregate_id(&self) -> String {
///         self.order_id.clone()
///     }
/// }
///
/// let event = NewEvent::new(&OrderPlaced { order_id: "o-1".to_owned(), channel: Channel::Web })?;
/// assert_eq!(event.aggregate_id(), "o-1");
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
pub trait DomainEvent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The routing key, such as `content.post.created`: 1 to 128 characters of `[A-Za-z0-9._-]`.
    const EVENT_TYPE: &'static str;

    /// What the event is about, such as `content`: decides the topic `{prefix}.{aggregate_type}.events`.
    /// The same grammar as the event type.
    const AGGREGATE_TYPE: &'static str;

    /// The version of the payload's schema, from 1.
    const SCHEMA_VERSION: u32 = 1;

    /// Older names of the event type that consumers accept too.
    const ALIASES: &'static [&'static str] = &[];

    /// The aggregate that the event belongs to: the record key. Events of one aggregate stay in order.
    fn aggregate_id(&self) -> String;
}
