//! The integration tests of nova-service: a module per feature.

mod answer;
mod command;
mod context;
mod deadline;
mod health;
mod http_server;
mod observed;
mod rest;
#[cfg(unix)]
mod shutdown;
mod supervisor;
#[cfg(all(feature = "http2", feature = "telemetry"))]
mod telemetry;
