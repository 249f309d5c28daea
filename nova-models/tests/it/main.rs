//! What `nova-models` says and takes on the wire, looked at from outside.

mod first_generation;
mod schema;
