use serde_json::{Map, Value, json};

/// How deep an example goes: a type may contain itself.
const MAX_DEPTH: usize = 16;

/// Makes values that a schema allows.
pub(super) struct Example<'a> {
    /// Where references lead into.
    pub(super) root: &'a Value,
    /// Whether fields that may be absent are there.
    pub(super) optional_fields: bool,
}

impl Example<'_> {
    /// A value: the schema's own example where it has one, else the plainest that is allowed. `None` where the schema is beyond
    /// what this understands.
    pub(super) fn of(&self, schema: &Value) -> Option<Value> {
        self.value(schema, MAX_DEPTH)
    }

    fn value(&self, schema: &Value, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let first = |name: &str| schema.get(name)?.as_array()?.first();
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(reference.strip_prefix('#')?)?;
            return self.value(target, depth);
        }
        if let Some(value) = first("examples")
            .or_else(|| schema.get("const"))
            .or_else(|| first("enum"))
        {
            return Some(value.clone());
        }
        for either in ["anyOf", "oneOf", "allOf"] {
            if let Some(alternatives) = schema.get(either).and_then(Value::as_array) {
                return alternatives
                    .iter()
                    .find_map(|alternative| self.value(alternative, depth));
            }
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.first(),
            kind => kind,
        };
        let minimum = || schema.get("minimum").cloned();
        Some(match kind?.as_str()? {
            "object" => self.object(schema, depth)?,
            "array" => self.array(schema, depth)?,
            "string" => self.string(schema),
            "integer" => minimum().unwrap_or_else(|| json!(0)),
            "number" => minimum().unwrap_or_else(|| json!(0.5)),
            "boolean" => json!(false),
            "null" => Value::Null,
            _ => return None,
        })
    }

    fn object(&self, schema: &Value, depth: usize) -> Option<Value> {
        let required = schema.get("required").and_then(Value::as_array);
        let requires = |name| required.is_some_and(|names| names.iter().any(|one| one == name));
        let mut fields = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            match (self.value(property, depth), requires(name.as_str())) {
                (Some(value), required) if required || self.optional_fields => {
                    fields.insert(name.clone(), value);
                }
                (None, true) => return None,
                _ => {}
            }
        }
        Some(Value::Object(fields))
    }

    fn array(&self, schema: &Value, depth: usize) -> Option<Value> {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        match schema.get("items") {
            Some(items) if least > 0 || self.optional_fields => {
                let item = self.value(items, depth)?;
                let count = usize::try_from(least.clamp(1, 100)).ok()?;
                Some(vec![item; count].into())
            }
            _ => Some(Value::Array(Vec::new())),
        }
    }

    fn string(&self, schema: &Value) -> Value {
        let text = match schema.get("format").and_then(Value::as_str) {
            Some("uuid") => "0192d2c4-7a3b-7000-8000-000000000001",
            Some("date-time") => "2025-10-28T00:00:00Z",
            Some("date") => "2025-10-28",
            _ => "text",
        };
        text.into()
    }
}
