//! Spreads attempts over the endpoints of a target, and leaves out those that fail.
//!
//! Each endpoint has a [`CircuitBreaker`](crate::circuit_breaker::CircuitBreaker) of its own, and that is all there is to know of its health:
//! an endpoint is ejected while its circuit is open, and comes back through the probes of the half-open one. Among those that are let
//! through two are drawn by lot, and the one with fewer attempts in flight is taken; a retry goes to another endpoint than
//! the attempt before, where there is one. When all circuits are open the attempt fails at once, as under a single one:
//! [`CircuitOpen`](crate::circuit_breaker::CircuitOpen) is the cause, and nothing was sent.
//!
//! It stands under [`retry`](crate::retry) and above [`attempt_timeout`](crate::attempt_timeout), so that it sees time-outs. The service
//! below finds the choice in [`Attempt::endpoint`](crate::Attempt::endpoint): a URL, an address, a channel. With one endpoint it is
//! a circuit breaker and costs the same.
//!
//! The lots are those of [`fastrand`], which a test can seed.
//!
//! ```
//! use nova_client::balance::BalanceLayer;
//! use nova_client::circuit_breaker::CircuitBreaker;
//! use nova_client::retry::RetryLayer;
//! use nova_client::{Attempt, Call};
//! use nova_errors::{RetryPolicy, ServiceError};
//! use nova_models::Deadline;
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), ServiceError> {
//! let mut service = ServiceBuilder::new()
//!     .layer(RetryLayer::new(RetryPolicy::standard()))
//!     .layer(BalanceLayer::new(["10.0.0.1", "10.0.0.2"], CircuitBreaker::standard())?)
//!     .service(service_fn(async |attempt: Attempt<(), &'static str>| match *attempt.endpoint() {
//!         "10.0.0.1" => Err(ServiceError::ServiceUnavailable("starting".into())),
//!         address => Ok(address),
//!     }));
//!
//! let deadline = Deadline::after(tokio::time::Instant::now().into_std(), Duration::from_secs(10));
//! let call = Call::new((), deadline).idempotent(true);
//! assert_eq!(service.ready().await?.call(call).await?, "10.0.0.2");
//! # Ok(())
//! # }
//! ```

mod choice;
mod future;
mod in_flight;
mod layer;
mod member;
mod service;

pub use future::BalanceFuture;
pub use layer::BalanceLayer;
pub(crate) use member::Member;
pub use service::Balance;
