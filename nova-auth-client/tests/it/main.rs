//! An [`AuthClient`](nova_auth_client::AuthClient) against a scripted service, over connections in memory.

mod contract;
mod layer;
mod network;
mod revocation;
mod scripted_service;
mod users;
mod verification;
