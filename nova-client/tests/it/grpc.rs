//! Unary gRPC calls through the policies: a generated client, and a server of tonic's over a wire in memory.

mod answers;
mod connections;
mod health_service;
mod metadata;
mod observed;
mod policies;
mod streams;
