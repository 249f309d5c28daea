mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use uuid::Uuid;

use crate::ConsumerGroup;

pub use memory::MemoryIdempotency;
#[cfg(feature = "redis")]
pub use redis::RedisIdempotency;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::{InboxDatabase, InboxPurge, SqlInbox, migrate_inbox};
#[cfg(all(feature = "kafka", any(feature = "postgres", feature = "sqlite")))]
pub(crate) use sql::{Mark, Marked};

/// How long a handled event is remembered where memory is no bound.
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The longest wait before an event that another one has claimed is asked for again: its claim may be given back or
/// confirmed long before its lease ends.
const HELD_WAIT: Duration = Duration::from_millis(50);

/// Remembers which events a consumer group has handled, so that a redelivery takes effect once.
///
/// An event is claimed before its handler runs, and confirmed after it succeeded. What was claimed
/// and not confirmed is free again when it is released or when its lease ends: then it is handled
/// (perhaps a second time), never lost. Whoever finds an event claimed by another waits.
///
/// The suite `conformance::idempotency_store` (feature `test-util`) holds for every implementation.
#[async_trait]
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims an event for as long as `lease`.
    ///
    /// # Errors
    ///
    /// Where the store does not answer, or is full.
    async fn claim(&self, key: &IdempotencyKey, lease: Duration) -> Result<Claim, ServiceError>;

    /// Marks a claimed event as handled.
    ///
    /// # Errors
    ///
    /// `Aborted` where the claim is not this one's any more; or where the store does not answer.
    async fn confirm(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError>;

    /// Gives a claim back. A claim that is not this one's any more is left alone.
    ///
    /// # Errors
    ///
    /// Where the store does not answer.
    async fn release(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError>;
}

#[async_trait]
impl<S: IdempotencyStore + ?Sized> IdempotencyStore for Arc<S> {
    async fn claim(&self, key: &IdempotencyKey, lease: Duration) -> Result<Claim, ServiceError> {
        (**self).claim(key, lease).await
    }

    async fn confirm(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        (**self).confirm(key, claim).await
    }

    async fn release(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        (**self).release(key, claim).await
    }
}

/// What is handled once: an event, by a group. Each group handles each event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    group: ConsumerGroup,
    event_id: Uuid,
}

impl IdempotencyKey {
    /// The key of an event in a group.
    #[must_use]
    pub const fn new(group: ConsumerGroup, event_id: Uuid) -> Self {
        Self { group, event_id }
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    /// The event.
    #[must_use]
    pub const fn event_id(&self) -> Uuid {
        self.event_id
    }
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The event is the caller's to handle.
    Acquired(ClaimId),
    /// It was handled before.
    Done,
    /// Another handler has it: ask again after this time.
    Held {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
}

/// Tells a claim from an earlier one of the same event, which ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimId(Uuid);

impl ClaimId {
    /// A new one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two defaults would differ")]
    pub fn new() -> Self {
        // It need not be secret, and the system's randomness costs a call into the kernel.
        let random = fastrand::u128(..).to_ne_bytes();
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }

    /// The id as a UUID, to be stored.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}
