//! Suites that every implementation of a trait passes, this crate's own and those of others.

mod idempotency_store;

pub use idempotency_store::idempotency_store;
