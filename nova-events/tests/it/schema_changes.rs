//! What may not change about an event, and what it is called where it does.

use nova_events::schemas::{Change, EventCatalogue, EventContract};
use nova_events::{DomainEvent, domain_event};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// A type of the event `shop.order.placed`.
macro_rules! order {
    ($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty),+ $(,)? } $($rest:tt)*) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name { $($(#[$meta])* $field: $type),+ }
        order! { impl $name $($rest)* }
    };
    (impl $name:ident) => {
        domain_event! {
            $name { event_type: "shop.order.placed", aggregate_type: "shop", key: order_id }
        }
    };
    (impl $name:ident { $($rest:tt)+ }) => {
        domain_event! { $name { $($rest)+ } }
    };
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Channel {
    Web,
    Shop,
    #[serde(untagged)]
    Unknown(String),
}

/// Without the shop, with the telephone.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LaterChannel {
    Web,
    Telephone,
    #[serde(untagged)]
    Unknown(String),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Size {
    Small,
    Large,
}

/// Documented, for which the schema has another form, and wider.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LaterSize {
    /// For one.
    Small,
    /// For two.
    Large,
    /// For many.
    Huge,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Line {
    item: String,
    count: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct LaterLine {
    item: Uuid,
    count: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Parcel {
    weight: u32,
    within: Option<Box<Parcel>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct LaterParcel {
    weight: u64,
    within: Option<Box<LaterParcel>>,
}

order!(Released {
    order_id: String,
    cents: u32,
    note: Option<String>,
    channel: Channel,
    size: Size,
    lines: Vec<Line>,
    parcel: Parcel,
});

fn breaks_of<New: DomainEvent + JsonSchema>() -> Vec<String> {
    let released = EventContract::of::<Released>();
    let breaks = EventContract::of::<New>().breaking_changes_since(&released);
    breaks.iter().map(ToString::to_string).collect()
}

#[test]
fn a_field_that_goes_comes_or_changes_is_a_break_that_is_named() {
    order!(Later {
        order_id: Uuid,
        currency: String,
        note: Option<String>,
        channel: Channel,
        size: Size,
        lines: Vec<LaterLine>,
        parcel: LaterParcel,
    });
    insta::assert_snapshot!(breaks_of::<Later>().join("\n"), @r"
    shop.order.placed: field `cents` was removed
    shop.order.placed: field `lines[].item` changed from string to string (uuid)
    shop.order.placed: field `order_id` changed from string to string (uuid)
    shop.order.placed: field `parcel.weight` changed from integer (uint32) to integer (uint64)
    shop.order.placed: field `parcel.within.weight` changed from integer (uint32) to integer (uint64)
    shop.order.placed: field `currency` is new and required
    ");
}

#[test]
fn what_was_optional_stays_optional_and_what_was_required_required() {
    order!(Later {
        order_id: String,
        #[serde(default)]
        cents: u32,
        note: String,
        channel: Option<Channel>,
        size: Size,
        lines: Vec<Line>,
        parcel: Parcel,
    });
    insta::assert_snapshot!(breaks_of::<Later>().join("\n"), @r#"
    shop.order.placed: field `cents` became optional
    shop.order.placed: field `channel` became optional
    shop.order.placed: field `channel` changed from open enum of "shop", "web" to open enum of "shop", "web" or null
    shop.order.placed: field `note` became required
    shop.order.placed: field `note` changed from string or null to string
    "#);
}

#[test]
fn an_enum_loses_no_word_and_a_closed_one_gets_none() {
    order!(Later {
        order_id: String,
        cents: u32,
        note: Option<String>,
        channel: LaterChannel,
        size: LaterSize,
        lines: Vec<Line>,
        parcel: Parcel,
    });
    insta::assert_snapshot!(breaks_of::<Later>().join("\n"), @r#"
    shop.order.placed: field `channel` lost the word "shop"
    shop.order.placed: field `size` got the word "huge", which older readers refuse
    "#);
}

#[test]
fn an_event_keeps_its_topic_its_key_and_its_names() {
    order!(Before { order_id: String, user_id: String } {
        event_type: "shop.order.placed",
        aggregate_type: "shop",
        key: order_id,
        aliases: ["OrderPlacedEvent"],
        version: 2,
    });
    order!(After { order_id: String, user_id: String } {
        event_type: "shop.order.placed",
        aggregate_type: "orders",
        key: user_id,
    });
    let before = EventContract::of::<Before>();
    let breaks = EventContract::of::<After>().breaking_changes_since(&before);
    let breaks: Vec<_> = breaks.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(breaks.join("\n"), @r"
    shop.order.placed: the aggregate type, which decides the topic, changed from shop to orders
    shop.order.placed: the record key changed from field `order_id` to field `user_id`
    shop.order.placed: the version was lowered from 2 to 1
    shop.order.placed: the older name OrderPlacedEvent was removed
    ");
}

fn shop() -> EventCatalogue {
    EventCatalogue::new("Shop", "1.0.0")
}

#[test]
fn an_event_that_is_gone_or_has_another_name_is_a_break() {
    order!(Cancelled { order_id: String } {
        event_type: "shop.order.cancelled",
        aggregate_type: "shop",
        key: order_id,
    });
    order!(Revoked { order_id: String } {
        event_type: "shop.order.revoked",
        aggregate_type: "shop",
        key: order_id,
    });
    order!(Voided { order_id: String, reason: Option<String> } {
        event_type: "shop.order.voided",
        aggregate_type: "shop",
        key: order_id,
        aliases: ["shop.order.cancelled"],
    });
    let released = [EventContract::of::<Cancelled>()];
    let change = |catalogue: EventCatalogue| {
        let mut breaks = catalogue.breaking_changes_since(&released);
        assert_eq!(breaks.len(), 1);
        breaks.remove(0)
    };
    assert_eq!(change(shop()).change, Change::EventRemoved);
    let renamed = change(shop().event::<Revoked>("shop", &[]));
    assert_eq!(
        renamed.to_string(),
        "shop.order.cancelled: the event was renamed to shop.order.revoked"
    );
    let renamed = change(shop().event::<Voided>("shop", &[]));
    assert_eq!(
        renamed.to_string(),
        "shop.order.cancelled: the event was renamed to shop.order.voided"
    );
}

#[test]
fn what_only_adds_breaks_nothing() {
    /// Said in other words.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum WiderChannel {
        /// At a desk.
        Web,
        /// In a street.
        Shop,
        /// By voice.
        Telephone,
        #[serde(untagged)]
        Unknown(String),
    }
    order!(Later {
        /// Documented.
        order_id: String,
        cents: u32,
        note: Option<String>,
        voucher: Option<String>,
        #[serde(default)]
        gift: bool,
        channel: WiderChannel,
        size: Size,
        lines: Vec<Line>,
        parcel: Parcel,
    });
    assert_eq!(breaks_of::<Later>(), [""; 0]);
    assert_eq!(breaks_of::<Released>(), [""; 0]);
}

#[test]
fn a_text_may_become_an_open_enum_and_does_not_go_back() {
    order!(Text {
        order_id: String,
        channel: String
    });
    order!(Words {
        order_id: String,
        channel: Channel
    });
    let (text, words) = (EventContract::of::<Text>(), EventContract::of::<Words>());
    assert_eq!(words.breaking_changes_since(&text), []);
    let back = text.breaking_changes_since(&words);
    assert_eq!(
        back[0].to_string(),
        r#"shop.order.placed: field `channel` changed from open enum of "shop", "web" to string"#
    );
}

#[test]
fn a_field_is_a_break_where_older_readers_refuse_what_they_do_not_know() {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        order_id: String,
    }
    order!(impl Strict);
    order!(Later {
        order_id: String,
        note: Option<String>,
    });
    let strict = EventContract::of::<Strict>();
    let breaks = EventContract::of::<Later>().breaking_changes_since(&strict);
    let breaks: Vec<_> = breaks.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(breaks.join("\n"), @r"
    shop.order.placed: field `note` is new where older readers refuse unknown fields
    shop.order.placed: the payload changed from `additionalProperties` false to no `additionalProperties`
    ");
}

#[test]
fn a_higher_version_may_change_the_payload_where_it_reads_the_older_ones() {
    order!(First {
        order_id: String,
        total: u32
    });
    order!(Forgetful { order_id: String, cents: u32 } {
        event_type: "shop.order.placed",
        aggregate_type: "shop",
        key: order_id,
        version: 2,
    });
    order!(Careful { order_id: String, cents: u32 } {
        event_type: "shop.order.placed",
        aggregate_type: "shop",
        key: order_id,
        version: 2,
        upcast: |older| {
            let first: First = older.read()?;
            Ok(Careful { order_id: first.order_id, cents: first.total * 100 })
        },
    });
    let released = [EventContract::of::<First>()];
    let careful = shop().event::<Careful>("shop", &[]);
    assert_eq!(careful.breaking_changes_since(&released), []);
    let files = careful.files(&released).unwrap();
    let names: Vec<_> = files.keys().collect();
    assert_eq!(
        names,
        [
            "asyncapi.json",
            "shop.order.placed.v1.json",
            "shop.order.placed.v2.json"
        ],
        "the older version stays, for whoever has its records"
    );

    let forgetful = shop().event::<Forgetful>("shop", &[]);
    let breaks = forgetful.breaking_changes_since(&released);
    let breaks: Vec<_> = breaks.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(breaks.join("\n"), @"shop.order.placed: version 1 is not read any more: value: version 1 of shop.order.placed cannot be read as version 2: value: payload is not of version 1: missing field `cents` at line 1 column 29");

    let lowered = shop().event::<First>("shop", &[]);
    let second = [EventContract::of::<First>(), EventContract::of::<Careful>()];
    let breaks = lowered.breaking_changes_since(&second);
    assert_eq!(breaks[0].change, Change::VersionLowered { from: 2, to: 1 });
}

#[test]
fn a_text_that_is_no_contract_is_refused() {
    for text in ["", "[]", "{}", r#"{"x-event":{}}"#] {
        assert!(text.parse::<EventContract>().is_err(), "{text}");
    }
}

/// Documents of the words of JSON Schema, which need not be schemas.
fn schema_like() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "object",
        "array",
        "string",
        "null",
        "integer",
        "a",
        "b",
        "#",
        "#/properties/a",
        "#/anyOf/0",
    ]);
    let leaf = prop_oneof![
        word.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        (0..3_u8).prop_map(Value::from),
        Just(Value::Null),
    ];
    let keyword = prop::sample::select(vec![
        "type",
        "properties",
        "required",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "enum",
        "const",
        "a",
        "b",
        "additionalProperties",
        "definitions",
        "minItems",
        "examples",
    ]);
    leaf.prop_recursive(5, 48, 4, move |inner| {
        let object =
            prop::collection::vec((keyword.clone(), inner.clone()), 0..5).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Value>()
            });
        prop_oneof![3 => object, 1 => prop::collection::vec(inner, 0..4).prop_map(Value::from)]
    })
}

fn contract(mut payload: Value) -> Option<EventContract> {
    payload.as_object_mut()?.insert(
        "x-event".to_owned(),
        json!({
            "event_type": "shop.order.placed", "schema_version": 1, "aggregate_type": "shop",
            "key": "order_id", "aliases": [],
        }),
    );
    payload.to_string().parse().ok()
}

order!(Upcasting { order_id: String } {
    event_type: "shop.order.placed",
    aggregate_type: "shop",
    key: order_id,
    version: 2,
});

proptest! {
    #[test]
    fn any_two_documents_are_compared_to_an_end_and_none_differs_from_itself(
        one in schema_like(), two in schema_like(),
    ) {
        let (Some(one), Some(two)) = (contract(one), contract(two)) else { return Ok(()) };
        prop_assert_eq!(one.breaking_changes_since(&one), []);
        // What matters of these is that they end.
        let _ = two.breaking_changes_since(&one);
        let careful = shop().event::<Upcasting>("shop", &[]);
        let _ = careful.breaking_changes_since(&[one.clone(), two]);
        prop_assert_eq!(one.to_string().parse::<EventContract>().unwrap(), one);
    }
}

#[test]
fn a_reference_that_goes_in_a_circle_is_followed_once() {
    let circle = contract(json!({ "anyOf": [{ "$ref": "#" }] })).unwrap();
    let plain = contract(json!({ "type": "object" })).unwrap();
    let lost = contract(json!({ "anyOf": [{ "$ref": "#/nowhere" }] })).unwrap();
    for (one, two) in [
        (&circle, &plain),
        (&plain, &circle),
        (&lost, &plain),
        (&circle, &circle),
    ] {
        let breaks = two.breaking_changes_since(one);
        assert!(breaks.len() <= 1, "{breaks:?}");
    }
    assert!(!plain.breaking_changes_since(&lost).is_empty());
}
