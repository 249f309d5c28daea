use std::ops::Deref;

use crate::EventMetadata;

/// A consumed event: the typed payload, which it derefs to, and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<T> {
    /// What the record says beside the payload, and where it stood.
    pub metadata: EventMetadata,
    /// The payload.
    pub payload: T,
}

impl<T> Event<T> {
    /// Puts the two together, as a consumer does; for tests of handlers.
    pub const fn new(metadata: EventMetadata, payload: T) -> Self {
        Self { metadata, payload }
    }
}

impl<T> Deref for Event<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}
