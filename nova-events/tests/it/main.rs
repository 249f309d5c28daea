//! The crate as its users see it: over the wire format, without a broker, on the embedded Kafka and,
//! where there is one, on a real one.

mod assignment;
mod catalogue;
mod chaos;
mod compatibility;
mod consumer;
mod delivery;
mod engines;
mod eventually;
mod faults;
mod history;
mod idempotency;
mod inbox;
mod kafka;
mod ledger;
mod middleware;
mod observation;
mod probe;
mod publisher;
mod record;
mod replay;
mod schema_changes;
mod schemas;
mod upcast;
