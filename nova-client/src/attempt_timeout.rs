//! Ends an attempt that takes longer than it may: [`Attempt::until`](crate::Attempt::until).
//!
//! The failure is a `Timeout` whose effect is unknown: the request may be at work still.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use nova_client::attempt_timeout::AttemptTimeoutLayer;
//! use nova_client::retry::RetryLayer;
//! use nova_client::{Attempt, Call};
//! use nova_errors::{ErrorKind, RetryPolicy, ServiceError};
//! use nova_models::Deadline;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), ServiceError> {
//! let mut service = ServiceBuilder::new()
//!     .layer(RetryLayer::new(RetryPolicy::standard()))
//!     .layer(AttemptTimeoutLayer)
//!     .service(service_fn(|_: Attempt<()>| std::future::pending::<Result<(), ServiceError>>()));
//!
//! let deadline = Deadline::after(tokio::time::Instant::now().into_std(), Duration::from_secs(10));
//! let error = service.ready().await?.call(Call::new((), deadline)).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Timeout);
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;
mod service;

pub use future::AttemptTimeoutFuture;
pub use layer::AttemptTimeoutLayer;
pub use service::AttemptTimeout;
