//! Stops calling a target that fails, and lets a few probes through until it answers again.
//!
//! It opens at a share of failures over a minimum of calls, so that one failure in the night opens nothing. It counts failures of the
//! target alone: `Timeout`, `ServiceUnavailable` and `Internal`. Whatever else the target answers shows that it is alive.
//!
//! ```
//! use nova_client::circuit_breaker::{CircuitBreaker, CircuitBreakerLayer, CircuitOpen};
//! use nova_errors::ServiceError;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), ServiceError> {
//! let breaker = CircuitBreaker::standard().min_calls(2);
//! let mut service = ServiceBuilder::new()
//!     .layer(CircuitBreakerLayer::new(breaker)?)
//!     .service(service_fn(async |_: ()| Err::<(), _>(ServiceError::ServiceUnavailable("away".into()))));
//!
//! for _ in 0..2 {
//!     let error = service.ready().await?.call(()).await.unwrap_err();
//!     assert!(error.find_source::<CircuitOpen>().is_none());
//! }
//! let error = service.ready().await?.call(()).await.unwrap_err();
//! assert!(error.find_source::<CircuitOpen>().is_some());
//! # Ok(())
//! # }
//! ```

mod breaker_state;
mod circuit;
mod future;
mod layer;
mod open;
mod service;
mod settings;
mod state;
mod switch;
mod window;

pub use breaker_state::BreakerState;
pub use circuit::{Circuit, Permit};
pub use future::CircuitBreakerFuture;
pub(crate) use future::outcome;
pub use layer::CircuitBreakerLayer;
pub use open::CircuitOpen;
pub use service::CircuitBreakerService;
pub use settings::CircuitBreaker;
pub(crate) use switch::{Admitted, Outcome};
