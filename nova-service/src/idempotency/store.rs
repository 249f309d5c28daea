use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Extensions;
use nova_errors::ServiceError;

use super::{CommandKey, Fingerprint, StoredAnswer};

/// Remembers what commands came to, for an [`IdempotencyLayer`](crate::IdempotencyLayer).
///
/// A key is claimed before the handler runs. The claim is confirmed with the answer, or given back where there is none to keep; then
/// the key is free again, as it is when the claim is dropped or its process dies.
///
/// The suite `conformance::idempotency_store` (feature `test-util`) holds for every implementation.
#[async_trait]
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims a key, or says what stands in the way. It does not wait for another's claim to end.
    ///
    /// # Errors
    ///
    /// Where the store does not answer, or is full of claims. Then no handler runs.
    async fn claim(
        &self,
        key: &CommandKey,
        fingerprint: &Fingerprint,
    ) -> Result<Claim, ServiceError>;

    /// What a command without a key runs in; nothing by default. A store whose claims are atomic gives one that keeps no answer.
    ///
    /// # Errors
    ///
    /// Where the store does not answer. Then no handler runs.
    async fn without_key(&self) -> Result<Option<Box<dyn CommandClaim>>, ServiceError> {
        Ok(None)
    }

    /// Deletes answers whose retention is over, at most `limit` of them, and says how many. Nothing by default, for stores that
    /// forget by themselves.
    ///
    /// # Errors
    ///
    /// Where the store does not answer.
    async fn purge(&self, limit: u32) -> Result<u64, ServiceError> {
        let _ = limit;
        Ok(0)
    }
}

/// The word of a store on a key.
#[non_exhaustive]
pub enum Claim {
    /// The command is the caller's to run.
    Acquired(Box<dyn CommandClaim>),
    /// The same command came to this.
    Answered(StoredAnswer),
    /// The key was used with another command.
    Mismatch,
    /// A command with this key runs now.
    InFlight {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
}

impl Claim {
    /// How long a store asks to wait for the command in flight: 100 ms.
    pub const RETRY_AFTER: Duration = Duration::from_millis(100);

    pub(super) const IN_FLIGHT: Self = Self::InFlight {
        retry_after: Self::RETRY_AFTER,
    };
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acquired(_) => f.write_str("Acquired"),
            Self::Answered(answer) => f.debug_tuple("Answered").field(answer).finish(),
            Self::Mismatch => f.write_str("Mismatch"),
            Self::InFlight { retry_after } => f
                .debug_struct("InFlight")
                .field("retry_after", retry_after)
                .finish(),
        }
    }
}

/// A command that may run, and nobody else's.
///
/// Dropping it gives it back.
#[async_trait]
pub trait CommandClaim: Send {
    /// Whether the handler's effect is part of the claim: it happens with [`confirm`](Self::confirm), and not without. Where it is, a
    /// confirmation that fails is answered in the place of the handler's answer; else that answer is right, and stands.
    fn is_atomic(&self) -> bool {
        false
    }

    /// Gives the handler what it needs, in the request's extensions. Nothing by default.
    fn attach(&mut self, extensions: &mut Extensions) {
        let _ = extensions;
    }

    /// Keeps the claim while the handler runs, and is dropped when it is done. By default there is nothing to do.
    async fn hold(&mut self) {
        std::future::pending::<()>().await;
    }

    /// Keeps the answer for `retention`, and ends the claim. A [failure](StoredAnswer::is_failure) of an atomic claim undoes the
    /// handler's effect.
    ///
    /// # Errors
    ///
    /// `Aborted` where the claim is not this one's any more; or where the store does not answer.
    async fn confirm(
        self: Box<Self>,
        answer: &StoredAnswer,
        retention: Duration,
    ) -> Result<(), ServiceError>;

    /// Gives the claim back; that of an atomic claim undoes the handler's effect. One that is not this one's any more is left alone.
    ///
    /// # Errors
    ///
    /// Where the store does not answer.
    async fn release(self: Box<Self>) -> Result<(), ServiceError>;
}

#[async_trait]
impl<S: IdempotencyStore + ?Sized> IdempotencyStore for Arc<S> {
    async fn claim(
        &self,
        key: &CommandKey,
        fingerprint: &Fingerprint,
    ) -> Result<Claim, ServiceError> {
        (**self).claim(key, fingerprint).await
    }

    async fn without_key(&self) -> Result<Option<Box<dyn CommandClaim>>, ServiceError> {
        (**self).without_key().await
    }

    async fn purge(&self, limit: u32) -> Result<u64, ServiceError> {
        (**self).purge(limit).await
    }
}
