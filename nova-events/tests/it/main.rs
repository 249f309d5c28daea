//! The crate as its users see it: over the wire format, without a broker, on the embedded Kafka and,
//! where there is one, on a real one.

mod assignment;
mod catalogue;
mod compatibility;
mod consumer;
mod delivery;
mod engines;
mod eventually;
mod idempotency;
mod kafka;
mod observation;
mod probe;
mod publisher;
mod record;
mod schema_changes;
mod schemas;
mod upcast;
