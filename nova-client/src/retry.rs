//! Makes attempts at a [`Call`](crate::Call) until one succeeds, the failure is final, or the
//! deadline comes first.
//!
//! tower has a retry of its own; this one is another because it decides by the error's kind and
//! effect, honours `Retry-After`, never waits past the deadline, and keeps to a [`RetryBudget`] exactly.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use nova_client::retry::RetryLayer;
//! use nova_client::{Attempt, Call};
//! use nova_errors::{RetryPolicy, ServiceError};
//! use nova_models::Deadline;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), ServiceError> {
//! let mut service = ServiceBuilder::new()
//!     .layer(RetryLayer::new(RetryPolicy::standard()))
//!     .service(service_fn(async |attempt: Attempt<&'static str>| {
//!         if attempt.number() < 3 {
//!             return Err(ServiceError::ServiceUnavailable("starting".into()));
//!         }
//!         Ok(attempt.into_request().len())
//!     }));
//!
//! let deadline = Deadline::after(tokio::time::Instant::now().into_std(), Duration::from_secs(10));
//! let call = Call::new("ping", deadline).idempotent(true);
//! assert_eq!(service.ready().await?.call(call).await?, 4);
//! # Ok(())
//! # }
//! ```

mod account;
mod budget;
mod future;
mod layer;
mod ledger;
mod purse;
mod service;

pub(crate) use account::Account;
pub use budget::RetryBudget;
pub use future::RetryFuture;
pub use layer::RetryLayer;
pub use ledger::Ledger;
pub use service::Retry;
