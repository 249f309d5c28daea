//! Bounds how many requests are in flight at a target, so that one that is slow ties up only so much of its callers.
//!
//! The permit is taken by `poll_ready`, first come, first served, and given back when the answer is there or the future is dropped. Under
//! [`retry`](crate::retry) each attempt takes its own: a call that waits out a backoff leaves its permit to others, and the wait for
//! one ends with the call's deadline, as a `Timeout` without effect. It belongs above
//! [`circuit_breaker`](crate::circuit_breaker), which then neither counts that wait nor decides before it, and above
//! [`attempt_timeout`](crate::attempt_timeout), whose time begins with the permit. When the circuit
//! opens nobody waits to be turned away: the permit of the attempt that opened it passes through the whole queue at once.
//!
//! ```
//! use std::time::Duration;
//! use nova_client::bulkhead::BulkheadLayer;
//! use nova_errors::ServiceError;
//! use tokio::time::timeout;
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), ServiceError> {
//! let service = service_fn(async |name: &'static str| Ok::<_, ServiceError>(name.len()));
//! let mut first = BulkheadLayer::new(1)?.layer(service);
//! let second = first.clone();
//!
//! let admitted = first.ready().await?;
//! assert!(timeout(Duration::from_secs(1), second.clone().oneshot("pong!")).await.is_err());
//! assert_eq!(admitted.call("ping").await?, 4);
//! assert_eq!(second.oneshot("pong!").await?, 5);
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;
mod service;

pub use future::BulkheadFuture;
pub use layer::BulkheadLayer;
pub use service::Bulkhead;
