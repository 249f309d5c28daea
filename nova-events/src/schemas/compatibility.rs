use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::event_contract::Names;
use super::payload_shape::{PayloadShape, reference, resolve};
use super::{BreakingChange, Change, EventContract};

impl EventContract {
    /// What breaks those who know the event as it was `released`.
    ///
    /// With a higher version any change of the payload is fine: an [upcast](crate::DomainEvent::upcast) reads the older
    /// records.
    #[must_use]
    pub fn breaking_changes_since(&self, released: &Self) -> Vec<BreakingChange> {
        let mut changes: Vec<_> = names(&released.names, &self.names)
            .into_iter()
            .map(|change| (None, change))
            .collect();
        if self.schema_version() == released.schema_version() {
            changes.extend(payloads(&released.payload, &self.payload));
        }
        changes
            .into_iter()
            .map(|(field, change)| BreakingChange {
                event_type: released.event_type().to_owned(),
                field,
                change,
            })
            .collect()
    }

    /// Whether it is the other one under another name.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        self.aggregate_type() == other.aggregate_type()
            && self.key() == other.key()
            && payloads(&self.payload, &other.payload).is_empty()
            && payloads(&other.payload, &self.payload).is_empty()
    }
}

/// What changed from a payload to another: the field, and what about it.
fn payloads(old: &Value, new: &Value) -> Vec<(Option<String>, Change)> {
    let mut comparison = Comparison {
        old_root: old,
        new_root: new,
        seen: BTreeSet::new(),
        changes: Vec::new(),
    };
    comparison.schemas("", old, new);
    comparison.changes
}

/// Compares a payload that was released with the one now, and remembers where it stands.
struct Comparison<'a> {
    old_root: &'a Value,
    new_root: &'a Value,
    /// Pairs of schemas that were compared by following a reference: a type may contain itself.
    seen: BTreeSet<(String, String)>,
    changes: Vec<(Option<String>, Change)>,
}

impl Comparison<'_> {
    fn schemas(&mut self, path: &str, old: &Value, new: &Value) {
        let referred = reference(old).is_some() || reference(new).is_some();
        if referred && !self.seen.insert((old.to_string(), new.to_string())) {
            return;
        }
        let old = PayloadShape::read(resolve(self.old_root, old));
        let new = PayloadShape::read(resolve(self.new_root, new));
        if !self.shapes(path, &old, &new) {
            let (from, to) = (old.describe(), new.describe());
            self.report(path, Change::TypeChanged { from, to });
        }
    }

    /// Whether they are of one kind; what differs within it is reported.
    fn shapes(&mut self, path: &str, old: &PayloadShape, new: &PayloadShape) -> bool {
        if old.nullable != new.nullable {
            return false;
        }
        // Whoever reads any string reads the words of an open enum, and the other way round.
        if old.is_string() && new.open && new.others.is_empty() {
            return true;
        }
        if old.open != new.open || old.words.is_empty() != new.words.is_empty() {
            return false;
        }
        for word in old.words.difference(&new.words).cloned() {
            self.report(path, Change::WordRemoved { word });
        }
        if !old.open {
            for word in new.words.difference(&old.words).cloned() {
                self.report(path, Change::WordAdded { word });
            }
        }
        match (old.others.as_slice(), new.others.as_slice()) {
            ([old], [new]) => self.singles(path, old, new),
            (old, new) => old.len() == new.len() && old.iter().all(|schema| new.contains(schema)),
        }
    }

    /// The same for schemas of one type.
    fn singles(&mut self, path: &str, old: &Value, new: &Value) -> bool {
        if reference(old).is_some() || reference(new).is_some() {
            let lost = reference(resolve(self.old_root, old)).is_some()
                || reference(resolve(self.new_root, new)).is_some();
            if !lost {
                self.schemas(path, old, new);
            }
            return !lost || old == new;
        }
        let (Value::Object(old), Value::Object(new)) = (old, new) else {
            return old == new;
        };
        if ["type", "format"]
            .iter()
            .any(|name| old.get(*name) != new.get(*name))
        {
            return false;
        }
        self.properties(path, old, new);
        let mut compared = vec!["properties", "required", "definitions"];
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            self.schemas(&format!("{path}[]"), old, new);
            compared.push("items");
        }
        let keywords: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for keyword in keywords {
            let (old, new) = (old.get(keyword), new.get(keyword));
            if old != new && !compared.contains(&keyword.as_str()) {
                let show = |value: Option<&Value>| match value {
                    Some(value) => format!("`{keyword}` {value}"),
                    None => format!("no `{keyword}`"),
                };
                let (from, to) = (show(old), show(new));
                self.report(path, Change::TypeChanged { from, to });
            }
        }
        true
    }

    fn properties(&mut self, path: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let closed = old.get("additionalProperties") == Some(&Value::Bool(false));
        let (old, new) = (Properties::of(old), Properties::of(new));
        let within = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        for (name, schema) in old.schemas() {
            let path = within(name);
            let Some(now) = new.schema(name) else {
                self.report(&path, Change::FieldRemoved);
                continue;
            };
            match (old.requires(name), new.requires(name)) {
                (false, true) => self.report(&path, Change::FieldMadeRequired),
                (true, false) => self.report(&path, Change::FieldMadeOptional),
                _ => {}
            }
            self.schemas(&path, schema, now);
        }
        let added = new.schemas().filter(|(name, _)| old.schema(name).is_none());
        for (name, _) in added {
            if new.requires(name) {
                self.report(&within(name), Change::RequiredFieldAdded);
            } else if closed {
                self.report(&within(name), Change::UnexpectedFieldAdded);
            }
        }
    }

    fn report(&mut self, path: &str, change: Change) {
        let field = (!path.is_empty()).then(|| path.to_owned());
        self.changes.push((field, change));
    }
}

/// The properties of an object schema, which may have none.
struct Properties<'a>(&'a Map<String, Value>);

impl<'a> Properties<'a> {
    const fn of(schema: &'a Map<String, Value>) -> Self {
        Self(schema)
    }

    fn schemas(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        let properties = self.0.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten()
    }

    fn schema(&self, name: &str) -> Option<&'a Value> {
        self.0.get("properties")?.get(name)
    }

    fn requires(&self, name: &str) -> bool {
        let required = self.0.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|required| required == name))
    }
}

/// What changed beside the payload.
fn names(old: &Names, new: &Names) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.aggregate_type != new.aggregate_type {
        changes.push(Change::TopicChanged {
            from: old.aggregate_type.clone(),
            to: new.aggregate_type.clone(),
        });
    }
    if old.key != new.key {
        changes.push(Change::KeyChanged {
            from: old.key.clone(),
            to: new.key.clone(),
        });
    }
    if old.schema_version > new.schema_version {
        changes.push(Change::VersionLowered {
            from: old.schema_version,
            to: new.schema_version,
        });
    }
    let aliases = old.aliases.iter();
    let lost = aliases.filter(|alias| !new.aliases.contains(alias));
    changes.extend(lost.cloned().map(|alias| Change::AliasRemoved { alias }));
    changes
}
