use std::collections::{BTreeMap, BTreeSet};

use nova_errors::ServiceError;
use serde_json::{Map, Value, json};

use super::event_catalogue::{CataloguedEvent, EventCatalogue};
use super::{EventContract, canonical, record_headers};
use crate::field::{check_name, refused};

/// The version of AsyncAPI's Kafka bindings.
const BINDING_VERSION: &str = "0.5.0";

/// What a service does with the events of an aggregate type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Send,
    Receive,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
        }
    }
}

/// The AsyncAPI document of a catalogue.
pub(super) fn document(catalogue: &EventCatalogue) -> Result<Value, ServiceError> {
    check(catalogue)?;
    let messages = catalogue.contracts().map(|contract| {
        let name = contract.event_type().to_owned();
        (name, message(contract))
    });
    let schemas = catalogue.contracts().map(|contract| {
        let name = contract.event_type().to_owned();
        let schema = payload(contract);
        (name, schema)
    });
    let headers = (HEADERS.to_owned(), record_headers::schema());
    Ok(canonical::sorted(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": catalogue.title,
            "version": catalogue.version,
            "description": "The events, their topics and keys, and who sends and receives them.",
        },
        "defaultContentType": "application/json",
        "channels": channels(catalogue)?,
        "operations": operations(catalogue),
        "components": {
            "messages": messages.collect::<Map<_, _>>(),
            "schemas": schemas.chain([headers]).collect::<Map<_, _>>(),
            "correlationIds": {
                "request": {
                    "description": "The request that the event belongs to.",
                    "location": "$message.header#/correlation_id",
                },
            },
        },
    })))
}

/// The schema of the headers among the components.
const HEADERS: &str = "record-headers";

fn check(catalogue: &EventCatalogue) -> Result<(), ServiceError> {
    let mut names = BTreeSet::from([HEADERS]);
    for event in &catalogue.events {
        let name = event.contract.event_type();
        check_name("event_type", name)?;
        if !names.insert(name) {
            return Err(refused("event", format!("{name} is there twice")));
        }
        check_name("producer", &event.producer)?;
        for consumer in &event.consumers {
            check_name("consumer", consumer)?;
        }
    }
    Ok(())
}

fn channels(catalogue: &EventCatalogue) -> Result<Map<String, Value>, ServiceError> {
    let aggregate_types: BTreeSet<_> = catalogue
        .contracts()
        .map(EventContract::aggregate_type)
        .collect();
    let channel = |aggregate_type: &str| {
        let topic = catalogue.prefix.topic_for(aggregate_type)?;
        let partitions = catalogue.partitions.get(aggregate_type);
        let messages = catalogue
            .contracts()
            .filter(|contract| contract.aggregate_type() == aggregate_type)
            .map(|contract| {
                let name = contract.event_type();
                (
                    name.to_owned(),
                    link(&format!("components/messages/{name}")),
                )
            });
        let channel = json!({
            "address": topic.as_str(),
            "description": format!("Dead letters go to {}.", topic.dead_letter()),
            "messages": messages.collect::<Map<_, _>>(),
            "bindings": {
                "kafka": {
                    "topic": topic.as_str(),
                    "partitions": partitions.unwrap_or(&EventCatalogue::DEFAULT_PARTITIONS),
                    "bindingVersion": BINDING_VERSION,
                },
            },
        });
        Ok((aggregate_type.to_owned(), channel))
    };
    aggregate_types.into_iter().map(channel).collect()
}

fn operations(catalogue: &EventCatalogue) -> Map<String, Value> {
    let mut operations: BTreeMap<(&str, Action, &str), Vec<Value>> = BTreeMap::new();
    for event in &catalogue.events {
        let aggregate_type = event.contract.aggregate_type();
        let message = event.contract.event_type();
        let message = link(&format!("channels/{aggregate_type}/messages/{message}"));
        for (service, action) in services(event) {
            let messages = operations.entry((service, action, aggregate_type));
            messages.or_default().push(message.clone());
        }
    }
    let operations = operations.into_iter();
    let named = operations.map(|((service, action, aggregate_type), messages)| {
        let operation = json!({
            "action": action.as_str(),
            "channel": link(&format!("channels/{aggregate_type}")),
            "messages": messages,
            "tags": [{ "name": service }],
        });
        let name = format!("{service}.{}.{aggregate_type}", action.as_str());
        (name, operation)
    });
    named.collect()
}

fn services(event: &CataloguedEvent) -> impl Iterator<Item = (&str, Action)> {
    let consumers = event.consumers.iter();
    std::iter::once((event.producer.as_str(), Action::Send))
        .chain(consumers.map(|name| (name.as_str(), Action::Receive)))
}

fn message(contract: &EventContract) -> Value {
    let name = contract.event_type();
    let text = |keyword: &str| contract.payload().get(keyword).cloned();
    json!({
        "name": name,
        "title": text("title").unwrap_or_else(|| name.into()),
        "summary": text("description").unwrap_or_default(),
        "contentType": "application/json",
        "headers": {
            "allOf": [
                link(&format!("components/schemas/{HEADERS}")),
                {
                    "properties": {
                        "event_type": { "enum": names(contract) },
                        "aggregate_type": { "const": contract.aggregate_type() },
                    },
                },
            ],
        },
        "payload": link(&format!("components/schemas/{name}")),
        "correlationId": link("components/correlationIds/request"),
        "bindings": {
            "kafka": { "key": key(contract), "bindingVersion": BINDING_VERSION },
        },
        "x-schema-version": contract.schema_version(),
    })
}

/// The names that records of the event may have, today's first.
fn names(contract: &EventContract) -> Vec<&str> {
    let aliases = contract.aliases().iter().map(String::as_str);
    std::iter::once(contract.event_type())
        .chain(aliases)
        .collect()
}

/// The schema of the record key: of the field that it is.
fn key(contract: &EventContract) -> Value {
    let properties = contract.payload().get("properties");
    let field = contract
        .key()
        .and_then(|key| Some((key, properties?.get(key)?)));
    let Some((name, schema)) = field else {
        return json!({ "type": "string" });
    };
    let mut key = json!({ "type": "string", "description": format!("The {name}.") });
    if let (Some(format), Value::Object(key)) = (schema.get("format"), &mut key) {
        key.insert("format".to_owned(), format.clone());
    }
    key
}

/// The schema of the payload, whose own references lead to where it stands here.
fn payload(contract: &EventContract) -> Value {
    let mut schema = contract.payload().clone();
    if let Value::Object(keywords) = &mut schema {
        // The dialect is that of the document.
        keywords.remove("$schema");
    }
    let base = format!("#/components/schemas/{}", contract.event_type());
    rebase(&mut schema, &base);
    schema
}

fn rebase(schema: &mut Value, base: &str) {
    match schema {
        Value::Object(keywords) => {
            for (name, value) in keywords {
                match value {
                    Value::String(target) if name == "$ref" && target.starts_with('#') => {
                        target.replace_range(..1, base);
                    }
                    value => rebase(value, base),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, base)),
        _ => {}
    }
}

fn link(target: &str) -> Value {
    json!({ "$ref": format!("#/{target}") })
}
