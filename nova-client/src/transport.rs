//! What carries a request to a peer: a `tower` service of `http::Request<Bytes>`.
//!
//! [`HttpTransport`] is the one that clients use. Give
//! [`ServiceClientBuilder::transport`](crate::ServiceClientBuilder::transport) another for tests, or for a road of your own.

mod bounded_body;
mod erased;
mod http;

pub use self::http::{HttpTransport, HttpTransportBuilder};
pub(crate) use erased::{Transport, TransportFuture};
