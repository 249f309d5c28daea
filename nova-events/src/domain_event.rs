use nova_errors::ServiceError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::OlderPayload;

/// A payload type that goes over the wire as an event.
///
/// The type is the contract: its JSON is the record's value, its constants are the headers, and
/// its aggregate id is the record key, which decides the partition and so the order.
/// [`domain_event!`](crate::domain_event) writes the `impl` where the aggregate id is a field of the payload.
///
/// # Versions
///
/// An optional field (`#[serde(default)]`) can be added at any time, and an open enum keeps a word that it doesn't
/// know. A change beyond that raises [`SCHEMA_VERSION`](Self::SCHEMA_VERSION): a record of an older version then goes through
/// [`upcast`](Self::upcast), and handlers see the newest type alone. A record of a later version than the type's is read as it
/// is, without the fields that the type doesn't know.
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

    /// The field of the payload that [`aggregate_id`](Self::aggregate_id) is, for the schema documents; `None` where it is
    /// put together from more than one.
    const KEY_FIELD: Option<&'static str> = None;

    /// The aggregate that the event belongs to: the record key. Events of one aggregate stay in order.
    fn aggregate_id(&self) -> String;

    /// Reads a record whose version is below [`SCHEMA_VERSION`](Self::SCHEMA_VERSION). By default it reads as the newest one,
    /// which is right where later versions added optional fields only.
    ///
    /// # Errors
    ///
    /// Whatever says why the payload cannot be read. The record is poison then: it is not tried again.
    fn upcast(older: OlderPayload<'_>) -> Result<Self, ServiceError> {
        older.read()
    }
}

/// Implements [`DomainEvent`](crate::DomainEvent) for a payload whose aggregate id is one of its fields.
///
/// `event_type`, `aggregate_type` and `key` are required; `aliases`, `version` and `upcast` may follow, in this
/// order. An upcast is a function, or a closure that captures nothing, from an [`OlderPayload`](crate::OlderPayload) to the
/// type. With a type per version and a `From` per step a chain of versions reads as what it is:
///
/// ```
/// use nova_events::{EventRecord, NewEvent, ReceivedRecord, domain_event};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, PartialEq)]
/// struct OrderPlaced {
///     order_id: String,
///     total: Money,
/// }
///
/// #[derive(Debug, Serialize, Deserialize, PartialEq)]
/// struct Money {
///     cents: u64,
///     currency: String,
/// }
///
/// domain_event! {
///     OrderPlaced {
///         event_type: "order.placed",
///         aggregate_type: "order",
///         key: order_id,
///         aliases: ["OrderPlacedEvent"],
///         version: 3,
///         upcast: |older| match older.version() {
///             1 => Ok(OrderPlacedV2::from(older.read::<OrderPlacedV1>()?).into()),
///             _ => Ok(older.read::<OrderPlacedV2>()?.into()),
///         },
///     }
/// }
///
/// /// The total was in whole units.
/// #[derive(Deserialize)]
/// struct OrderPlacedV1 {
///     order_id: String,
///     total: u64,
/// }
///
/// /// There was one currency.
/// #[derive(Deserialize)]
/// struct OrderPlacedV2 {
///     order_id: String,
///     total_cents: u64,
/// }
///
/// impl From<OrderPlacedV1> for OrderPlacedV2 {
///     fn from(v1: OrderPlacedV1) -> Self {
///         Self { order_id: v1.order_id, total_cents: v1.total * 100 }
///     }
/// }
///
/// impl From<OrderPlacedV2> for OrderPlaced {
///     fn from(v2: OrderPlacedV2) -> Self {
///         let total = Money { cents: v2.total_cents, currency: "EUR".to_owned() };
///         Self { order_id: v2.order_id, total }
///     }
/// }
///
/// let value = r#"{"order_id":"o-1","total":7}"#;
/// let record = EventRecord::new("nova.order.events".parse()?, Some("o-1".into()), Some(value.into()))
///     .with_header("event_id", "0192d2c4-7a3b-7000-8000-000000000001")
///     .with_header("event_type", "order.placed")
///     .with_header("created_at", "2025-10-28T00:00:00Z")
///     .with_header("schema_version", "1");
/// let event = ReceivedRecord::new(record, 0, 42).decode::<OrderPlaced>()?;
/// assert_eq!(event.total, Money { cents: 700, currency: "EUR".to_owned() });
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[macro_export]
macro_rules! domain_event {
    (
        $payload:ty {
            event_type: $event_type:expr,
            aggregate_type: $aggregate_type:expr,
            key: $key:ident
            $(, aliases: [$($alias:expr),* $(,)?])?
            $(, version: $version:expr)?
            $(, upcast: $upcast:expr)?
            $(,)?
        }
    ) => {
        impl $crate::DomainEvent for $payload {
            const EVENT_TYPE: &'static str = $event_type;
            const AGGREGATE_TYPE: &'static str = $aggregate_type;
            const KEY_FIELD: ::core::option::Option<&'static str> =
                ::core::option::Option::Some(::core::stringify!($key));
            $(const ALIASES: &'static [&'static str] = &[$($alias),*];)?
            $(const SCHEMA_VERSION: u32 = $version;)?

            fn aggregate_id(&self) -> ::std::string::String {
                ::std::string::ToString::to_string(&self.$key)
            }

            $(
                fn upcast(
                    older: $crate::OlderPayload<'_>,
                ) -> ::core::result::Result<Self, $crate::__ServiceError> {
                    let upcast: fn(
                        $crate::OlderPayload<'_>,
                    ) -> ::core::result::Result<Self, $crate::__ServiceError> = $upcast;
                    upcast(older)
                }
            )?
        }
    };
}
