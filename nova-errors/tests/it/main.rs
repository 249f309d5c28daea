//! What `nova-errors` says on the wire, looked at from outside: one module per promise.

mod any_error;
mod bytes_on_the_wire;
mod redaction;
mod refused_stream;
mod round_trip;
mod schema;
