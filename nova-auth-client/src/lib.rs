//! Who is calling: verifies access tokens with the auth service and puts the claims into the request.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use nova_auth_client::{AuthClient, UserClaims};
//!
//! async fn me(claims: UserClaims) -> String {
//!     claims.username
//! }
//!
//! # async fn run(token: &str) -> Result<(), nova_errors::ServiceError> {
//! let auth = AuthClient::connect("http://auth-service:8084").await?;
//! let claims = auth.verify_token(token).await?;
//! assert!(claims.has_scope("user"));
//!
//! let router: Router = Router::new().route("/me", get(me)).layer(auth.layer());
//! # Ok(())
//! # }
//! ```
//!
//! # When a revoked token stops working
//!
//! Within a second. The client follows the service's stream of revocations, which sends a heartbeat every
//! 250 ms. A verified token is answered from memory only while that stream is alive and has not named the token's session or user since
//! the verification began; otherwise the service is asked. A service that is away is a refusal
//! ([`ServiceUnavailable`](nova_errors::ServiceError::ServiceUnavailable) or
//! [`Timeout`](nova_errors::ServiceError::Timeout)), never a yes.
//!
//! # What is bounded
//!
//! | | bound |
//! |---|---|
//! | verified tokens in memory | 10 000, each at most 5 minutes and never past its expiry |
//! | refused tokens in memory | 10 000, each 1 second, apart from the verified ones |
//! | revocations in memory | 10 000; past that all tokens are verified anew, once |
//! | a token | 8 KiB |
//! | a call | 2 s, or the deadline of the [`CallContext`](nova_models::CallContext) where it is earlier |
//! | attempts at a call | 3, within the budget of [`nova_client::retry`] |
//! | calls of a service that fails | none for 1 to 1.2 s, where half of at least 20 in 10 s failed: see [`nova_client::circuit_breaker`] |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `server` | the server side of [`proto`], for auth services and for tests |
//! | `tls` | `https` addresses |

mod auth_client;
mod auth_layer;
mod bearer;
mod builder;
mod cache_metrics;
mod claims_extractor;
mod flights;
mod revocation_watch;
mod revocations;
mod token_cache;
mod token_key;
mod unary;
mod user;
mod user_claims;

pub mod proto;

pub use auth_client::AuthClient;
pub use auth_layer::{AuthLayer, Authenticate};
pub use bearer::bearer_token;
pub use builder::AuthClientBuilder;
pub use user::{User, UserPage};
pub use user_claims::UserClaims;
