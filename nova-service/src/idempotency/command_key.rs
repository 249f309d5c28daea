use std::fmt;

use nova_models::Subject;
use sha2::{Digest, Sha256};

/// What a command is done once for: an idempotency key, within the authenticated subject, the target and the endpoint.
///
/// It is the SHA-256 of the four, so that a store holds neither names nor keys, and an entry of fixed size.
///
/// ```
/// use nova_models::Subject;
/// use nova_service::CommandKey;
///
/// let alice = Subject::new("alice");
/// let key = |subject| CommandKey::new(subject, "billing-service", "charges/create", "order-7");
/// assert_ne!(key(Some(&alice)), key(None));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandKey([u8; 32]);

impl CommandKey {
    /// The key `key` of a caller. Callers whom nobody has authenticated (`None`) share one scope.
    #[must_use]
    pub fn new(subject: Option<&Subject>, target: &str, endpoint: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update([u8::from(subject.is_some())]);
        for part in [subject.map_or("", Subject::as_str), target, endpoint, key] {
            // With its length before it, no part can pass for the end of the one before.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The digest, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CommandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandKey({self})")
    }
}

/// In hexadecimal.
impl fmt::Display for CommandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let subject = Subject::new("a");
        let nobody = Subject::new("");
        let keys = HashSet::from([
            CommandKey::new(None, "ab", "c", "d"),
            CommandKey::new(None, "a", "bc", "d"),
            CommandKey::new(None, "a", "b", "cd"),
            CommandKey::new(None, "ab", "c", "e"),
            CommandKey::new(Some(&nobody), "ab", "c", "d"),
            CommandKey::new(Some(&subject), "ab", "c", "d"),
            CommandKey::new(Some(&subject), "b", "c", "d"),
        ]);
        assert_eq!(keys.len(), 7);
    }

    #[test]
    fn a_key_stays_the_same_over_versions() {
        let key = CommandKey::new(
            Some(&Subject::new("alice")),
            "billing-service",
            "charges",
            "k",
        );
        insta::assert_snapshot!(key, @"377079269e6099c837dcb8edaed85edbf9c0bb4e9e1b3feaf0688a78165c191e");
    }
}
