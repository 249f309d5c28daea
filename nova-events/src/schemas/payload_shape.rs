use std::collections::BTreeSet;

use serde_json::Value;

/// What a schema allows, sorted by kind, without its words for human readers.
#[derive(Debug, Default)]
pub(super) struct PayloadShape {
    pub(super) nullable: bool,
    /// The words of an enum.
    pub(super) words: BTreeSet<String>,
    /// Any other string is allowed beside the words.
    pub(super) open: bool,
    /// Everything else: schemas of one type each.
    pub(super) others: Vec<Value>,
}

impl PayloadShape {
    /// Reads a schema. References within it stay what they are.
    pub(super) fn read(schema: &Value) -> Self {
        let mut shape = Self::default();
        shape.add(schema);
        if !shape.words.is_empty() && shape.others.iter().any(is_string) {
            shape.others.retain(|other| !is_string(other));
            shape.open = true;
        }
        shape
    }

    /// Any string is allowed, and nothing else but perhaps null.
    pub(super) fn is_string(&self) -> bool {
        self.words.is_empty() && matches!(self.others.as_slice(), [one] if is_string(one))
    }

    fn add(&mut self, schema: &Value) {
        if let Some(alternatives) = alternatives(schema) {
            for alternative in alternatives {
                self.add(alternative);
            }
            return;
        }
        match schema.get("type") {
            Some(Value::Array(types)) => {
                for one in types {
                    let mut single = schema.clone();
                    if let Some(kind) = single.get_mut("type") {
                        *kind = one.clone();
                    }
                    self.add_single(&single);
                }
            }
            _ => self.add_single(schema),
        }
    }

    fn add_single(&mut self, schema: &Value) {
        let single = stripped(schema);
        if single.get("type").is_some_and(|kind| kind == "null") {
            self.nullable = true;
        } else if let Some(words) = words(&single) {
            self.words.extend(words);
        } else {
            self.others.push(single);
        }
    }

    /// In the words of an error message.
    pub(super) fn describe(&self) -> String {
        let mut parts = Vec::new();
        if !self.words.is_empty() {
            let words: Vec<_> = self.words.iter().map(|word| format!("{word:?}")).collect();
            let kind = if self.open { "open enum" } else { "enum" };
            parts.push(format!("{kind} of {}", words.join(", ")));
        }
        parts.extend(self.others.iter().map(describe));
        if self.nullable {
            parts.push("null".to_owned());
        }
        parts.join(" or ")
    }
}

fn is_string(schema: &Value) -> bool {
    schema
        .as_object()
        .is_some_and(|keywords| keywords.len() == 1)
        && schema.get("type").is_some_and(|kind| kind == "string")
}

/// Follows a reference, and the references that it leads to. One that leads nowhere stays.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    // A longer chain goes in a circle.
    const MAX_REFERENCES: usize = 32;
    let mut schema = schema;
    for _ in 0..MAX_REFERENCES {
        let target = reference(schema).and_then(|name| root.pointer(name.strip_prefix('#')?));
        match target {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The reference that a schema consists of.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    let either = ["anyOf", "oneOf"]
        .into_iter()
        .find_map(|name| schema.get(name)?.as_array());
    // Draft 07 has no words beside a reference, for which it is wrapped.
    either.or_else(|| schema.get("allOf")?.as_array().filter(|all| all.len() == 1))
}

fn words(schema: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(one) = schema.get("const") {
        return Some(vec![word(one)?]);
    }
    schema.get("enum")?.as_array()?.iter().map(word).collect()
}

/// Without what only people read. The names of properties are no keywords.
fn stripped(schema: &Value) -> Value {
    const FOR_READERS: [&str; 9] = [
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
    ];
    const MAPS: [&str; 3] = ["properties", "patternProperties", "definitions"];
    match schema {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| {
                !FOR_READERS.contains(&name.as_str()) && !name.starts_with("x-")
            });
            let stripped = kept.map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("const" | "enum", value) => value.clone(),
                    (name, Value::Object(map)) if MAPS.contains(&name) => map
                        .iter()
                        .map(|(name, schema)| (name.clone(), stripped(schema)))
                        .collect(),
                    (_, value) => stripped(value),
                };
                (name.clone(), value)
            });
            stripped.collect()
        }
        Value::Array(items) => items.iter().map(stripped).collect(),
        scalar => scalar.clone(),
    }
}

fn describe(schema: &Value) -> String {
    let text = |name| schema.get(name).and_then(Value::as_str);
    match (text("type"), text("format")) {
        (Some(kind), Some(format)) => format!("{kind} ({format})"),
        (Some("array"), None) => match schema.get("items") {
            Some(items) => format!("array of {}", describe(items)),
            None => "array".to_owned(),
        },
        (Some(kind), None) => kind.to_owned(),
        (None, _) => schema.to_string(),
    }
}
