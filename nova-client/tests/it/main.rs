//! The client against scripted servers and transports.

mod answers;
mod any_answer;
mod balance;
mod breaker;
mod budget;
mod bulkhead;
mod call_settings;
mod context;
mod deadlines;
mod grpc;
mod interceptors;
mod log;
mod names;
mod observed;
mod outage;
mod properties;
mod retries;
mod script;
mod secrets;
mod settings;
mod sockets;
mod stats;
mod traced;
mod wire;
