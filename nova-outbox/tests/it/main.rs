//! The integration tests of `nova-outbox`.

mod conformance;
mod deceived_store;
mod engines;
mod enqueue;
mod idle;
mod kafka;
mod metrics;
mod migration;
mod order;
mod outage;
mod ownership;
mod poison;
mod recovery;
mod sample;
mod scripted_publisher;
mod service;
mod shutdown;
mod stale_lease;
mod stalling_store;
mod wake_up;
