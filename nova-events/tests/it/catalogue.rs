//! Every event as it lies in its topic.

mod analytics;
mod content;
mod identity;
mod media;
mod message;
mod notification;
mod social;
mod streaming;

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use nova_events::content::{MediaType, PostCreated, PostStatus};
use nova_events::identity::TwoFaMethod;
use nova_events::schemas::EventContract;
use nova_events::{DomainEvent, EventRecord, NewEvent, ReceivedRecord, TopicPrefix};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

const fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn at() -> DateTime<Utc> {
    "2025-10-28T00:00:00Z".parse().unwrap()
}

/// The record of an event, as `kcat -f '%t %k\n%h\n%s'` shows it. It has to read back as it was, and to have the fields of
/// the schema.
fn record<E: DomainEvent + JsonSchema + PartialEq + Debug>(event: &E) -> String {
    check_fields(event);
    let mut parts = NewEvent::new(event).unwrap().into_parts();
    parts.event_id = id(9);
    parts.created_at = at();
    let new = NewEvent::from_parts(parts).unwrap();
    let topic = TopicPrefix::default().topic_for(E::AGGREGATE_TYPE).unwrap();
    let record = EventRecord::from_event(&new, None, topic);
    let received = ReceivedRecord::new(record.clone(), 0, 0);
    assert_eq!(&received.decode::<E>().unwrap().payload, event);

    let text = |bytes: Option<&[u8]>| str::from_utf8(bytes.unwrap()).unwrap().to_owned();
    let headers: String = record
        .headers()
        .map(|(name, value)| format!("{name}={}\n", text(value)))
        .collect();
    let key = text(record.key().map(AsRef::as_ref));
    let value = text(record.value().map(AsRef::as_ref));
    format!("{} {key}\n{headers}{value}", record.topic())
}

fn check_fields<E: DomainEvent + JsonSchema>(event: &E) {
    let contract = EventContract::of::<E>();
    let payload = serde_json::to_value(event).unwrap();
    let fields = payload.as_object().unwrap();
    for name in fields.keys() {
        assert!(
            contract.payload()["properties"].get(name).is_some(),
            "{name}"
        );
    }
    for name in contract.payload()["required"].as_array().unwrap() {
        assert!(fields.contains_key(name.as_str().unwrap()), "{name}");
    }
    if let Some(key) = contract.key() {
        assert_eq!(payload[key], event.aggregate_id());
    }
}

#[test]
fn a_word_from_a_later_version_is_kept_and_an_unknown_field_ignored() {
    let json = r#"{"post_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000002",
        "caption":"","media_type":"hologram","status":"embargoed","created_at":"2025-10-28T00:00:00Z","mood":"fine"}"#;
    let post: PostCreated = serde_json::from_str(json).unwrap();
    assert_eq!(post.media_type, MediaType::Unknown("hologram".to_owned()));
    assert_eq!(post.status, PostStatus::Unknown("embargoed".to_owned()));
    let back = serde_json::to_value(&post).unwrap();
    assert_eq!(back["media_type"], "hologram");
    assert_eq!(back["status"], "embargoed");
    assert!(serde_json::from_str::<MediaType>("7").is_err());
}

/// Reads a word and writes it back; a second reading gives the same value.
fn survives<T>(word: &str) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let json = serde_json::to_string(word).unwrap();
    let value: T = serde_json::from_str(&json).unwrap();
    let written = serde_json::to_string(&value).unwrap();
    prop_assert_eq!(&written, &json);
    prop_assert_eq!(serde_json::from_str::<T>(&written).unwrap(), value);
    Ok(())
}

proptest! {
    #[test]
    fn any_word_survives_a_round_trip(
        word in prop_oneof![
            any::<String>(),
            "(image|video|none|published|archived|deleted|totp)",
            "[a-z_]{0,12}",
        ]
    ) {
        survives::<MediaType>(&word)?;
        survives::<PostStatus>(&word)?;
        survives::<TwoFaMethod>(&word)?;
    }
}
