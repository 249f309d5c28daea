//! The client against scripted servers and transports.

mod answers;
mod breaker;
mod budget;
mod bulkhead;
mod context;
mod deadlines;
mod fake_transport;
mod names;
mod retries;
mod scripted_server;
mod secrets;
mod settings;
mod sockets;
mod wire;
