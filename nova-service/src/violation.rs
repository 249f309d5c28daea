use nova_errors::Violation;

/// A violation from what a deserializer says of the value at `path`; `.` is the root, which is called `root`.
///
/// A missing field is reported at its parent, so its name comes from the message. So does the name where a type of the family refuses its value: its
/// errors begin with the field.
pub(crate) fn of_field(root: &str, path: &str, message: &str) -> Violation {
    let parent = if path == "." { "" } else { path };
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    if let Some(field) = missing {
        return Violation::new(join(parent, field), "missing");
    }
    if let Some((name, message)) = message.split_once(": ")
        && is_field_name(name)
    {
        let is_parent = parent.rsplit('.').next() == Some(name);
        let field = if is_parent {
            parent.to_owned()
        } else {
            join(parent, name)
        };
        return Violation::new(field, message);
    }
    let field = if parent.is_empty() { root } else { parent };
    Violation::new(field, without_value(message))
}

fn join(parent: &str, field: &str) -> String {
    if parent.is_empty() {
        field.to_owned()
    } else {
        format!("{parent}.{field}")
    }
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
}

/// What was expected, without the value that came: it may be a secret in the wrong place, and the message goes to the log.
pub(crate) fn without_value(message: &str) -> String {
    let shows_value = ["invalid ", "unknown ", "duplicate "]
        .iter()
        .any(|start| message.starts_with(start));
    match message.rsplit_once(", expected ") {
        // The name of a Rust type says nothing to the caller.
        Some((_, expected)) if shows_value && expected.starts_with("struct ") => {
            "expected an object".to_owned()
        }
        Some((_, expected)) if shows_value => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_loses_the_value_and_keeps_what_was_expected() {
        let message = r#"invalid type: string "hunter2, expected x", expected u32"#;
        assert_eq!(without_value(message), "expected u32");
        let message = "unknown variant `hunter2`, expected one of `a`, `b`";
        assert_eq!(without_value(message), "expected one of `a`, `b`");
        let message = "invalid type: string \"hunter2\", expected struct Login";
        assert_eq!(without_value(message), "expected an object");
    }

    #[test]
    fn the_field_is_named_whoever_says_it() {
        let field = |path: &str, message: &str| {
            let violation = of_field("query", path, message);
            format!("{} | {}", violation.field, violation.message)
        };
        assert_eq!(field(".", "missing field `a`"), "a | missing");
        assert_eq!(field("a[0]", "missing field `b`"), "a[0].b | missing");
        assert_eq!(
            field(".", "limit: expected 1 to 100"),
            "limit | expected 1 to 100"
        );
        assert_eq!(
            field("x.limit", "limit: expected 1"),
            "x.limit | expected 1"
        );
        assert_eq!(field("x", "limit: expected 1"), "x.limit | expected 1");
        assert_eq!(field(".", "odd"), "query | odd");
        assert_eq!(
            field("id", "UUID parsing failed: x"),
            "id | UUID parsing failed: x"
        );
    }
}
