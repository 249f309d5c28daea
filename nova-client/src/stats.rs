//! What a client knows of its targets at a moment: see [`ServiceClient::stats`](crate::ServiceClient::stats).

mod client_stats;
mod endpoint_stats;
mod target_stats;

pub use client_stats::ClientStats;
pub use endpoint_stats::EndpointStats;
pub use target_stats::TargetStats;
