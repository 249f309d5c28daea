//! Idempotency of commands: a repeated one gets the answer of the first.

mod command_key;
mod fingerprint;
mod in_flight;
mod layer;
mod memory;
mod outcome;
mod purge;
mod received;
#[cfg(feature = "redis")]
mod redis;
mod service;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod store;
mod stored_answer;

pub use command_key::CommandKey;
pub use fingerprint::Fingerprint;
pub use layer::IdempotencyLayer;
pub use memory::MemoryIdempotencyStore;
pub use purge::IdempotencyPurge;
#[cfg(feature = "redis")]
pub use redis::RedisIdempotencyStore;
pub use service::IdempotencyService;
#[cfg(feature = "actix")]
pub(crate) use service::once;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::{
    CommandTransaction, IdempotencyDatabase, SqlIdempotencyStore, migrate as migrate_idempotency,
};
pub use store::{Claim, CommandClaim, IdempotencyStore};
pub use stored_answer::StoredAnswer;
