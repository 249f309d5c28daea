//! The integration tests of nova-service: a module per feature.

#[cfg(feature = "actix")]
mod actix_server;
mod answer;
mod command;
mod context;
mod deadline;
mod deadline_chain;
mod effect;
mod embedding;
mod engines;
mod exactly_once;
#[cfg(feature = "grpc")]
mod grpc;
mod health;
mod http_server;
mod idempotency;
mod load_shed;
mod observed;
mod parity;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod rest;
#[cfg(unix)]
mod shutdown;
mod supervisor;
#[cfg(all(feature = "http2", feature = "telemetry"))]
mod telemetry;
