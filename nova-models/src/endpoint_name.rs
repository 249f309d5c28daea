use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use nova_errors::{ServiceError, Violation};
use serde::{Deserialize, Serialize, Serializer};

/// The name of a service, as it stands in envelopes, paths and logs: 1 to 64 characters of
/// `[a-z0-9-]`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(
        with = "String",
        description = "The name of a service.",
        extend("pattern" = r"^[a-z][a-z0-9-]*$", "minLength" = 1, "maxLength" = 64)
    )
)]
#[cfg_attr(
    feature = "utoipa",
    derive(utoipa::ToSchema),
    schema(
        value_type = String,
        description = "The name of a service.",
        pattern = r"^[a-z][a-z0-9-]*$",
        min_length = 1,
        max_length = 64
    )
)]
pub struct ServiceName(Cow<'static, str>);

/// The name of a command's endpoint at a service: 1 to 8 segments of `[A-Za-z0-9_.-]`, joined by
/// `/`, at most 128 characters in all: `streams/info`.
///
/// There is no way to leave the host or the prefix with it: no scheme, no `//`, no dot segment, and nothing
/// percent-encoded, so that decoding cannot make one either.
///
/// ```
/// use nova_models::EndpointName;
///
/// assert!("streams/info".parse::<EndpointName>().is_ok());
/// for escape in ["../admin", "a//b", "%2e%2e/admin", "http://evil", "/abs", "a/./b"] {
///     assert!(escape.parse::<EndpointName>().is_err());
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(
        with = "String",
        description = "The name of an endpoint at a service.",
        extend("pattern" = r"^\.*[A-Za-z0-9_-][A-Za-z0-9_.-]*(/\.*[A-Za-z0-9_-][A-Za-z0-9_.-]*){0,7}$", "minLength" = 1, "maxLength" = 128)
    )
)]
#[cfg_attr(
    feature = "utoipa",
    derive(utoipa::ToSchema),
    schema(
        value_type = String,
        description = "The name of an endpoint at a service.",
        pattern = r"^\.*[A-Za-z0-9_-][A-Za-z0-9_.-]*(/\.*[A-Za-z0-9_-][A-Za-z0-9_.-]*){0,7}$",
        min_length = 1,
        max_length = 128
    )
)]
pub struct EndpointName(Cow<'static, str>);

impl ServiceName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// `Validation` where the name is not of the grammar above.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, ServiceError> {
        let name = name.into();
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let valid = (1..=64).contains(&name.len())
            && name.bytes().all(allowed)
            && name.starts_with(|c: char| c.is_ascii_lowercase());
        if valid {
            return Ok(Self(name));
        }
        Err(invalid(
            "service",
            &name,
            "1 to 64 characters of [a-z0-9-], beginning with a letter",
        ))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EndpointName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// `Validation` where the name is not of the grammar above.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, ServiceError> {
        let name = name.into();
        if name.len() <= 128 && segments(&name).is_some_and(|count| count <= 8) {
            return Ok(Self(name));
        }
        Err(invalid(
            "endpoint",
            &name,
            "1 to 8 segments of [A-Za-z0-9_.-] joined by '/', none of them empty or dots alone",
        ))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many segments there are; `None` where one is empty, of dots alone, or has what it may not have.
fn segments(name: &str) -> Option<usize> {
    let mut ended = 0;
    let mut more_than_dots = false;
    for c in name.bytes() {
        match c {
            b'/' if more_than_dots => {
                ended += 1;
                more_than_dots = false;
            }
            b'.' => {}
            b'_' | b'-' => more_than_dots = true,
            _ if c.is_ascii_alphanumeric() => more_than_dots = true,
            _ => return None,
        }
    }
    more_than_dots.then_some(ended + 1)
}

fn invalid(field: &str, name: &str, expected: &str) -> ServiceError {
    let shown: String = name.chars().take(64).collect();
    let violation = Violation::new(field, format!("expected {expected}, got {shown:?}"));
    ServiceError::Validation(violation.into())
}

macro_rules! text {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = ServiceError;

            fn from_str(text: &str) -> Result<Self, ServiceError> {
                Self::new(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = ServiceError;

            fn try_from(text: String) -> Result<Self, ServiceError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
text!(ServiceName);
text!(EndpointName);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_cannot_leave_its_prefix() {
        let escapes = [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            "a/...",
            "%2e%2e/a",
            "a%2f..",
            "http://evil",
            "a?b",
            "a#b",
            "a\\b",
            "a b",
            "a\n",
            "ä",
            "a:80",
            "1/2/3/4/5/6/7/8/9",
        ];
        for name in escapes {
            let error = name.parse::<EndpointName>().unwrap_err();
            assert_eq!(error.violations()[0].field, "endpoint", "{name:?}");
        }
    }

    #[test]
    fn service_names_are_checked() {
        for name in ["", "-a", "1a", "A", "a_b", "a.b", "a/b", "a b"] {
            assert!(name.parse::<ServiceName>().is_err(), "{name:?}");
        }
        assert!("user-service".parse::<ServiceName>().is_ok());
    }

    proptest! {
        #[test]
        fn a_valid_name_joins_to_exactly_one_path_below_its_prefix(name in ".{0,40}") {
            if let Ok(name) = name.parse::<EndpointName>() {
                let path = format!("/api/v1/x/{name}");
                prop_assert!(!path.contains("//") && !path.contains('%'));
                prop_assert!(path.split('/').all(|s| s != "." && s != ".."));
            }
        }
    }
}
