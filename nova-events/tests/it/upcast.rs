//! Records of older and of later versions than the type that reads them.

use bytes::Bytes;
use nova_errors::{Chain, ErrorKind, RetryPolicy, ServiceError};
use nova_events::{
    DomainEvent, Event, EventConsumer, EventRecord, Outcome, ReceivedRecord, RecordingPublisher,
    domain_event,
};
use serde::{Deserialize, Serialize};

/// Version 3: a price has a currency.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct PriceSet {
    item: String,
    cents: i64,
    currency: String,
    #[serde(default)]
    note: Option<String>,
}
domain_event! {
    PriceSet {
        event_type: "shop.price.set",
        aggregate_type: "shop",
        key: item,
        aliases: ["PriceSetEvent"],
        version: 3,
        upcast: |older| match older.version() {
            1 => Ok(PriceSetV2::try_from(older.read::<PriceSetV1>()?)?.into()),
            _ => Ok(older.read::<PriceSetV2>()?.into()),
        },
    }
}

/// Version 1: a price is a text.
#[derive(Deserialize)]
struct PriceSetV1 {
    item: String,
    price: String,
}

/// Version 2: a price is a count of cents.
#[derive(Deserialize)]
struct PriceSetV2 {
    item: String,
    cents: i64,
}

impl TryFrom<PriceSetV1> for PriceSetV2 {
    type Error = ServiceError;

    fn try_from(v1: PriceSetV1) -> Result<Self, ServiceError> {
        let whole: i64 = v1.price.parse().map_err(|error| {
            // Of a kind that would be tried again, were it not for an upcast.
            ServiceError::ServiceUnavailable("price is no number".into()).with_source(error)
        })?;
        Ok(Self {
            item: v1.item,
            cents: whole * 100,
        })
    }
}

impl From<PriceSetV2> for PriceSet {
    fn from(v2: PriceSetV2) -> Self {
        Self {
            item: v2.item,
            cents: v2.cents,
            currency: "EUR".to_owned(),
            note: None,
        }
    }
}

/// Version 2 added an optional field, for which nothing has to be written.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct ItemAdded {
    item: String,
    #[serde(default)]
    shelf: Option<u8>,
}
domain_event! {
    ItemAdded { event_type: "shop.item.added", aggregate_type: "shop", key: item, version: 2 }
}

fn received(
    event_type: &'static str,
    version: Option<&'static str>,
    value: &str,
) -> ReceivedRecord {
    let record = EventRecord::new(
        "nova.shop.events".parse().unwrap(),
        Some(Bytes::from_static(b"tea")),
        Some(Bytes::copy_from_slice(value.as_bytes())),
    )
    .with_header("event_id", "00000000-0000-0000-0000-000000000001")
    .with_header("event_type", event_type)
    .with_header("created_at", "2025-10-28T00:00:00Z");
    let record = match version {
        Some(version) => record.with_header("schema_version", version),
        None => record,
    };
    ReceivedRecord::new(record, 0, 0)
}

fn price(version: Option<&'static str>, value: &str) -> ReceivedRecord {
    received("shop.price.set", version, value)
}

fn tea(cents: i64, currency: &str) -> PriceSet {
    PriceSet {
        item: "tea".to_owned(),
        cents,
        currency: currency.to_owned(),
        note: None,
    }
}

#[test]
fn a_record_of_each_older_version_reads_as_the_newest_type() {
    let versions = [
        (None, r#"{"item":"tea","price":"7"}"#, tea(700, "EUR")),
        (Some("1"), r#"{"item":"tea","price":"7"}"#, tea(700, "EUR")),
        (Some("2"), r#"{"item":"tea","cents":650}"#, tea(650, "EUR")),
        (
            Some("3"),
            r#"{"item":"tea","cents":650,"currency":"CHF"}"#,
            tea(650, "CHF"),
        ),
    ];
    for (version, value, expected) in versions {
        let event = price(version, value).decode::<PriceSet>().unwrap();
        assert_eq!(event.payload, expected, "{version:?}");
        let written: u32 = version.unwrap_or("1").parse().unwrap();
        assert_eq!(event.metadata.schema_version, written);
    }
}

#[test]
fn an_optional_field_needs_no_upcast() {
    let older = received("shop.item.added", None, r#"{"item":"tea"}"#);
    let added = older.decode::<ItemAdded>().unwrap();
    assert_eq!(added.shelf, None);
}

#[test]
fn a_record_of_a_later_version_is_read_without_what_is_new() {
    let value = r#"{"item":"tea","cents":650,"currency":"CHF","vat":77,"note":"sale"}"#;
    let event = price(Some("4"), value).decode::<PriceSet>().unwrap();
    assert_eq!(event.cents, 650);
    assert_eq!(event.note.as_deref(), Some("sale"));
    assert_eq!(event.metadata.schema_version, 4);
}

#[test]
fn a_record_that_cannot_be_upcast_is_poison_and_says_from_where_to_where() {
    let poison = [
        (
            Some("1"),
            r#"{"item":"tea","price":"seven"}"#,
            "version 1 of shop.price.set cannot be read as version 3: price is no number: invalid digit found in string",
        ),
        (
            Some("2"),
            r#"{"item":"tea"}"#,
            "version 2 of shop.price.set cannot be read as version 3: value: payload is not of version 2: missing field `cents` at line 1 column 14",
        ),
        (
            Some("3"),
            r#"{"item":"tea"}"#,
            "payload is not a shop.price.set: missing field `cents` at line 1 column 14",
        ),
        (
            Some("4"),
            r#"{"item":"tea"}"#,
            "version 4 of shop.price.set cannot be read: 3 is the newest known: missing field `cents` at line 1 column 14",
        ),
    ];
    for (version, value, message) in poison {
        let error = price(version, value).decode::<PriceSet>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert!(!error.is_retryable());
        assert_eq!(error.violations()[0].field, "value");
        let shown = Chain(&error).to_string();
        assert!(shown.ends_with(message), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_the_newest_type_and_what_cannot_be_upcast_is_a_dead_letter_at_once() {
    let letters = RecordingPublisher::new();
    let consumer = EventConsumer::builder()
        .brokers("127.0.0.1:1")
        .group("group")
        .topics(["nova.shop.events"])
        .on(async |event: Event<PriceSet>| {
            assert_eq!(event.payload, tea(700, "EUR"));
            Ok(())
        })
        .retry(RetryPolicy::standard().max_attempts(5))
        .dead_letters_to(letters.clone())
        .build()
        .unwrap();
    let good = price(Some("1"), r#"{"item":"tea","price":"7"}"#);
    assert_eq!(consumer.deliver(good).await, Outcome::Handled);
    let bad = price(Some("1"), r#"{"item":"tea","price":"seven"}"#);
    assert_eq!(consumer.deliver(bad).await, Outcome::DeadLettered);

    let letter = letters.records().remove(0);
    assert_eq!(letter.header("dlq_attempts"), Some("1".as_bytes()));
    assert_eq!(letter.header("schema_version"), Some("1".as_bytes()));
    let message = str::from_utf8(letter.header("dlq_error_message").unwrap()).unwrap();
    assert!(message.contains("version 1 of shop.price.set"), "{message}");
}

#[test]
fn the_macro_writes_what_it_is_told() {
    assert_eq!(PriceSet::EVENT_TYPE, "shop.price.set");
    assert_eq!(PriceSet::AGGREGATE_TYPE, "shop");
    assert_eq!(PriceSet::SCHEMA_VERSION, 3);
    assert_eq!(PriceSet::ALIASES, ["PriceSetEvent"]);
    assert_eq!(PriceSet::KEY_FIELD, Some("item"));
    assert_eq!(tea(1, "EUR").aggregate_id(), "tea");
    assert_eq!(
        (ItemAdded::SCHEMA_VERSION, ItemAdded::ALIASES.len()),
        (2, 0)
    );
}
