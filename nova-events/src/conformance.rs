//! Suites that every implementation of a trait passes, this crate's own and those of others; and the check of what consumers did.

mod consumer_history;
mod idempotency_store;

pub use consumer_history::{ConsumerHistory, HistoryStep, HistoryViolation};
pub use idempotency_store::idempotency_store;
