use std::fmt;

use nova_errors::{ServiceError, Violation};
use nova_models::headers;

use crate::header_view::{HeaderView, text_of};
use crate::json::invalid;

/// The header `idempotency-key`: what makes two commands the same one, for one subject, target and endpoint.
///
/// On the wire it is a string of structured fields ([RFC 8941](https://www.rfc-editor.org/rfc/rfc8941), section 3.3.3), of 1 to
/// [`MAX_LEN`](Self::MAX_LEN) characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The longest key, in characters.
    pub const MAX_LEN: usize = 255;

    /// The key as text, without its quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_headers(headers: &impl HeaderView) -> Result<Option<Self>, ServiceError> {
        let mut values = headers.all(headers::IDEMPOTENCY_KEY);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let key = text_of(value)
            .and_then(unquote)
            .filter(|key| (1..=Self::MAX_LEN).contains(&key.len()) && values.next().is_none());
        match key {
            Some(key) => Ok(Some(Self(key))),
            None => Err(invalid(Violation::new(
                headers::IDEMPOTENCY_KEY,
                format!(
                    "expected one quoted string of 1 to {} characters",
                    Self::MAX_LEN
                ),
            ))),
        }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn unquote(text: &str) -> Option<String> {
    let inside = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    let mut key = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            ' '..='~' if c != '"' => key.push(c),
            _ => return None,
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_string_of_structured_fields() {
        assert_eq!(unquote(r#""a b""#).as_deref(), Some("a b"));
        assert_eq!(unquote(r#""a\"\\b""#).as_deref(), Some(r#"a"\b"#));
        for bad in [
            "", "a", r#"""#, r#""a"#, r#""a"b""#, r#""a\b""#, r#""a\""#, "\"a\tb\"", "\"ä\"",
        ] {
            assert_eq!(unquote(bad), None, "{bad:?}");
        }
    }
}
