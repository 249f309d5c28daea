//! The schemas that are checked in, and the AsyncAPI document.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nova_events::schemas::{EventCatalogue, EventContract};
use nova_events::{EventRecord, NewEvent, domain_event};
use nova_models::{ServiceName, TraceContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The files in the folder `schemas` of the crate.
fn checked_in() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read_to_string(entry.path()).unwrap())
    });
    files.collect()
}

fn released() -> Vec<EventContract> {
    let files = checked_in().into_iter();
    files
        .filter(|(name, _)| name != EventCatalogue::ASYNCAPI)
        .map(|(_, text)| text.parse().unwrap())
        .collect()
}

#[test]
fn the_events_do_not_break_the_schemas_that_are_checked_in() {
    let breaks = EventCatalogue::platform().breaking_changes_since(&released());
    let breaks: Vec<_> = breaks.iter().map(ToString::to_string).collect();
    assert_eq!(breaks, [""; 0]);
}

#[test]
fn the_schemas_that_are_checked_in_are_those_of_the_types() {
    let files = EventCatalogue::platform().files(&released()).unwrap();
    let checked_in = checked_in();
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        checked_in.keys().collect::<Vec<_>>()
    );
    for (name, text) in files {
        assert_eq!(text, checked_in[&name], "{name}: cargo xtask codegen");
    }
}

/// A type that contains itself.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Packed {
    parcel_id: String,
    within: Option<Box<Packed>>,
    beside: Vec<Packed>,
}
domain_event! {
    Packed { event_type: "shop.parcel.packed", aggregate_type: "shop", key: parcel_id }
}

fn shop() -> EventCatalogue {
    EventCatalogue::new("Shop", "1.0.0")
}

/// What a reference of a document leads to.
fn resolve<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    let target = reference["$ref"].as_str().unwrap();
    let found = document.pointer(target.strip_prefix('#').unwrap());
    found.unwrap_or_else(|| panic!("{target} leads nowhere"))
}

fn check_references(document: &Value, at: &Value) {
    match at {
        Value::Object(fields) if fields.contains_key("$ref") => {
            resolve(document, at);
        }
        Value::Object(fields) => fields
            .values()
            .for_each(|value| check_references(document, value)),
        Value::Array(items) => items
            .iter()
            .for_each(|value| check_references(document, value)),
        _ => {}
    }
}

#[test]
fn the_asyncapi_document_says_who_sends_what_where() {
    let document = EventCatalogue::platform().asyncapi().unwrap();
    assert_eq!(document["asyncapi"], "3.0.0");
    check_references(&document, &document);
    let channel = &document["channels"]["content"];
    assert_eq!(channel["address"], "nova.content.events");
    let kafka = &channel["bindings"]["kafka"];
    assert_eq!(kafka["topic"], "nova.content.events");
    assert_eq!(kafka["partitions"], 6);
    let partitions = |name: &str| &document["channels"][name]["bindings"]["kafka"]["partitions"];
    assert_eq!(partitions("social"), 3);

    let message = resolve(&document, &channel["messages"]["content.comment.created"]);
    let key = &message["bindings"]["kafka"]["key"];
    assert_eq!(
        (&key["type"], &key["format"]),
        (&"string".into(), &"uuid".into())
    );
    let payload = resolve(&document, &message["payload"]);
    assert_eq!(payload["title"], "CommentCreated");
    let headers = resolve(&document, &message["headers"]["allOf"][0]);
    let required = headers["required"].as_array().unwrap();
    for name in [
        "event_id",
        "event_type",
        "aggregate_type",
        "aggregate_id",
        "created_at",
    ] {
        assert!(required.contains(&name.into()), "{name}");
    }

    let sends = &document["operations"]["content-service.send.content"];
    assert_eq!(sends["action"], "send");
    assert_eq!(sends["messages"].as_array().unwrap().len(), 7);
    let receives = &document["operations"]["feed-service.receive.identity"];
    assert_eq!(receives["action"], "receive");
    let messages = receives["messages"].as_array().unwrap().iter();
    let names: Vec<_> = messages
        .map(|message| &resolve(&document, resolve(&document, message))["name"])
        .collect();
    assert_eq!(
        names,
        [
            "identity.user.created",
            "identity.user.profile_updated",
            "identity.user.deleted"
        ]
    );
}

#[test]
fn the_document_describes_every_header_that_is_written() {
    let source: ServiceName = "shop".parse().unwrap();
    let packed = Packed {
        parcel_id: "p-1".to_owned(),
        within: None,
        beside: Vec::new(),
    };
    let event = NewEvent::new(&packed)
        .unwrap()
        .with_source(&source)
        .with_correlation_id("req-1".parse().unwrap())
        .with_causation_id(Uuid::from_u128(1))
        .with_trace(TraceContext::new(1, 2, true));
    let topic = "nova.shop.events".parse().unwrap();
    let record = EventRecord::from_event(&event, Some(1), topic).with_cloud_events(&source);
    let document = EventCatalogue::platform().asyncapi().unwrap();
    let described = &document["components"]["schemas"]["record-headers"]["properties"];
    let mut written: Vec<_> = record.headers().map(|(name, _)| name).collect();
    written.push("tracestate");
    let mut described: Vec<_> = described.as_object().unwrap().keys().collect();
    written.sort_unstable();
    described.sort_unstable();
    assert_eq!(written, described);
}

#[test]
fn a_type_that_contains_itself_has_references_that_lead_somewhere() {
    let document = shop()
        .event::<Packed>("shop", &["till"])
        .asyncapi()
        .unwrap();
    let schema = &document["components"]["schemas"]["shop.parcel.packed"];
    assert_eq!(
        schema["properties"]["beside"]["items"]["$ref"],
        "#/components/schemas/shop.parcel.packed"
    );
    check_references(&document, &document);
}

#[test]
fn a_catalogue_with_one_event_twice_or_a_bad_name_is_refused() {
    let twice = shop()
        .event::<Packed>("shop", &[])
        .event::<Packed>("shop", &[]);
    assert_eq!(twice.asyncapi().unwrap_err().violations()[0].field, "event");
    let misnamed = shop().event::<Packed>("the shop", &[]);
    assert_eq!(
        misnamed.asyncapi().unwrap_err().violations()[0].field,
        "producer"
    );
}
