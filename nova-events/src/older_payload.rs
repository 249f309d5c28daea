use nova_errors::ServiceError;
use serde::de::DeserializeOwned;

use crate::field::refused;

/// The payload of a record whose version is below that of the type which it is read as:
/// what [`DomainEvent::upcast`](crate::DomainEvent::upcast) is given.
///
/// ```
/// use nova_events::OlderPayload;
///
/// let older = OlderPayload::new(1, br#"["a","b"]"#);
/// assert_eq!(older.version(), 1);
/// assert_eq!(older.read::<Vec<String>>()?, ["a", "b"]);
/// assert!(older.read::<u64>().is_err());
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OlderPayload<'a> {
    version: u32,
    json: &'a [u8],
}

impl<'a> OlderPayload<'a> {
    /// The payload of a record of that version; for tests of an upcast.
    #[must_use]
    pub const fn new(version: u32, json: &'a [u8]) -> Self {
        Self { version, json }
    }

    /// The version that the record was written in: at least 1, and below the type's.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Reads it as the type of that version, or as `serde_json::Value`.
    ///
    /// # Errors
    ///
    /// `Validation` where it is not the JSON of `T`; the source says where.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(self.json).map_err(|error| {
            let what = format!("payload is not of version {}", self.version);
            refused("value", what).with_source(error)
        })
    }
}
