use crate::{ErrorKind, ServiceError};

/// Which failures a [`RetryPolicy`](crate::RetryPolicy) tries again at all.
///
/// An error outside the set is final; one inside is tried again if it [may pass](ServiceError::is_retryable).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOn(u32);

impl RetryOn {
    /// Every kind.
    pub const ALL: Self = Self(u32::MAX);

    /// These kinds alone.
    #[must_use]
    pub fn kinds(kinds: impl IntoIterator<Item = ErrorKind>) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | bit(kind)))
    }

    /// Whether `error` is of one of the kinds and may pass.
    #[must_use]
    pub fn matches(self, error: &ServiceError) -> bool {
        error.is_retryable() && self.0 & bit(error.kind()) != 0
    }
}

fn bit(kind: ErrorKind) -> u32 {
    1 << (kind as u32)
}
