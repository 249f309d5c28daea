use http::HeaderValue;
use nova_errors::{Effect, ServiceError, Violation};

/// The longest key, in bytes.
pub(crate) const MAX_LEN: usize = 255;

/// The header value of a key: a structured-field string (RFC 8941, section 3.3.3).
pub(crate) fn header_value(key: &str) -> Result<HeaderValue, ServiceError> {
    let printable = |c: u8| (0x20..0x7f).contains(&c);
    if !(1..=MAX_LEN).contains(&key.len()) || !key.bytes().all(printable) {
        return Err(invalid());
    }
    let mut quoted = String::with_capacity(key.len() + 2);
    quoted.push('"');
    for c in key.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    HeaderValue::try_from(quoted).map_err(|error| invalid().with_source(error))
}

fn invalid() -> ServiceError {
    let violation = Violation::new(
        "idempotency_key",
        format!("expected 1 to {MAX_LEN} printable ASCII characters"),
    );
    ServiceError::Validation(violation.into()).with_effect(Effect::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_quoted_and_its_quotes_are_escaped() {
        assert_eq!(header_value("order-7").unwrap(), r#""order-7""#);
        assert_eq!(header_value(r#"a"b\c"#).unwrap(), r#""a\"b\\c""#);
    }

    #[test]
    fn what_a_structured_field_cannot_hold_is_refused() {
        let long = "k".repeat(MAX_LEN + 1);
        for key in ["", "ä", "a\nb", "a\u{7f}", &long] {
            let error = header_value(key).unwrap_err();
            assert_eq!(error.violations()[0].field, "idempotency_key", "{key:?}");
        }
    }
}
