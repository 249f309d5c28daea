use serde_json::{Map, Value};

/// The same document with the keys of every object sorted: it does not depend on how `serde_json` was built.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            let sorted = fields
                .into_iter()
                .map(|(name, value)| (name, sorted(value)));
            Value::Object(sorted.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

/// As it is checked in: indented, with a line break at the end.
pub(super) fn text(document: Value) -> String {
    format!("{:#}\n", sorted(document))
}
