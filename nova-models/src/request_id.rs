use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use nova_errors::{ServiceError, Violation};
use serde::{Deserialize, Serialize, Serializer};

/// The id of a request: 1 to 128 characters of `[A-Za-z0-9._~-]`, so that it fits a header, a URL
/// and a log line as it is.
///
/// A new one is a version 7 UUID, which sorts by time.
///
/// ```
/// use nova_models::RequestId;
///
/// let id = RequestId::new();
/// assert_eq!(id.len(), 36);
/// assert!("req 1".parse::<RequestId>().is_err());
/// # "req-1".parse::<RequestId>()?;
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(
        with = "String",
        description = "The id of a request.",
        extend("pattern" = "^[A-Za-z0-9._~-]+$", "minLength" = 1, "maxLength" = 128)
    )
)]
#[cfg_attr(
    feature = "utoipa",
    derive(utoipa::ToSchema),
    schema(
        description = "The id of a request.",
        pattern = "^[A-Za-z0-9._~-]+$",
        min_length = 1,
        max_length = 128
    )
)]
pub struct RequestId(String);

impl RequestId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 128;

    /// A new id.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two defaults would differ")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RequestId {
    type Error = ServiceError;

    /// # Errors
    ///
    /// `Validation` where the text is empty, too long, or has another character.
    fn try_from(text: String) -> Result<Self, ServiceError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._~-".contains(&c);
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text));
        }
        let violation = Violation::new(
            "request_id",
            format!(
                "expected 1 to {} characters of [A-Za-z0-9._~-], got {} bytes",
                Self::MAX_LEN,
                text.len()
            ),
        );
        Err(ServiceError::Validation(violation.into()))
    }
}

impl FromStr for RequestId {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        Self::try_from(text.to_owned())
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Deref for RequestId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outside_the_grammar_are_refused() {
        let long = "a".repeat(129);
        for text in ["", "a b", "a/b", "a\n", "ä", "a\0", &long] {
            let error = text.parse::<RequestId>().unwrap_err();
            assert_eq!(error.violations()[0].field, "request_id", "{text:?}");
        }
        for text in ["a", "A-Z.a_z~09", &"a".repeat(128)] {
            assert_eq!(text.parse::<RequestId>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_new_id_fits_its_own_grammar() {
        let id = RequestId::new();
        assert_eq!(id.parse::<RequestId>().unwrap(), id);
    }
}
