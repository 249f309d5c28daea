use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = now.as_secs() * 1000 + u64::from(now.subsec_millis());
        // The first twelve bits are the fraction of the millisecond (RFC 9562, section 6.2, method 3).
        let fraction = now.subsec_nanos() % 1_000_000 * 4096 / 1_000_000;
        let [_, _, high, low] = fraction.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = random_bits().to_be_bytes();
        let rest = [high, low, a, b, c, d, e, f, g, h];
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid();
        Self(id.to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A keyed hash of a counter, whose key each thread has from the operating system: asking that for every id would take longer
/// than all else about it.
fn random_bits() -> u64 {
    thread_local! {
        static KEY: RandomState = RandomState::new();
        static COUNTER: Cell<u64> = const { Cell::new(0) };
    }
    let count = COUNTER.get();
    COUNTER.set(count.wrapping_add(1));
    KEY.with(|key| key.hash_one(count))
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

    #[test]
    fn new_ids_are_version_7_and_no_two_threads_make_the_same() {
        let ids = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| (0..10_000).map(|_| RequestId::new()).collect::<Vec<_>>())
            });
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        for id in &ids {
            let id: uuid::Uuid = id.parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        }
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }

    #[test]
    fn a_new_id_sorts_after_those_of_the_time_before() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let id: uuid::Uuid = RequestId::new().parse().unwrap();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = |id: uuid::Uuid| id.get_timestamp().map(|at| at.to_unix().0);
        assert!((before.as_secs()..=after.as_secs()).contains(&seconds(id).unwrap()));
        let earliest =
            uuid::Builder::from_unix_timestamp_millis(before.as_millis() as u64, &[0; 10]);
        let latest =
            uuid::Builder::from_unix_timestamp_millis(after.as_millis() as u64, &[0xff; 10]);
        assert!((earliest.into_uuid()..=latest.into_uuid()).contains(&id));
    }
}
