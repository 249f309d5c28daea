use nova_errors::{ServiceError, Violation};

/// The longest name of an event type, aggregate type or source, in characters.
pub(crate) const MAX_NAME: usize = 128;

/// Checks a name that stands in headers, topics and metric labels.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), ServiceError> {
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_name_byte) {
        return Ok(());
    }
    let expected = format!("1 to {MAX_NAME} characters of [A-Za-z0-9._-]");
    Err(invalid(field, &expected, name))
}

pub(crate) fn is_name_byte(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"._-".contains(&c)
}

/// Checks free text that stands in a header and in a text column.
pub(crate) fn check_text(field: &str, text: &str, max: usize) -> Result<(), ServiceError> {
    if (1..=max).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let expected = format!("1 to {max} bytes without control characters");
    Err(invalid(field, &expected, text))
}

/// A `Validation` error that names the field and shows the beginning of what was given.
pub(crate) fn invalid(field: &str, expected: &str, given: &str) -> ServiceError {
    let shown: String = given.chars().take(64).collect();
    refused(field, format!("expected {expected}, got {shown:?}"))
}

/// A `Validation` error that names the field.
pub(crate) fn refused(field: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::Validation(Violation::new(field, message).into())
}
