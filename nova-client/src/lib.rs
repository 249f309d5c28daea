//! Calls another service: the command envelope, a deadline for the whole call, a time-out for each
//! attempt, and a retry only where it does no harm.
//!
//! ```
//! use nova_client::ServiceClient;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize)]
//! struct GetStreamInfo { stream_id: u64 }
//!
//! #[derive(Deserialize)]
//! struct StreamInfo { title: String }
//!
//! # async fn example() -> Result<(), nova_errors::ServiceError> {
//! let client = ServiceClient::new("user-service", "http://localhost:8080");
//! let info: StreamInfo = client
//!     .call("streaming-service", "streams/info", GetStreamInfo { stream_id: 42 })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a call goes through
//!
//! 1. [`ServiceClient`] makes the envelope once, as bytes that no attempt copies, and the deadline: the client's own
//!    or the [`CallContext`](nova_models::CallContext)'s less a margin, whichever is earlier.
//! 2. [`retry`] makes attempts until one succeeds, the failure is final, the budget is spent, or the deadline comes first.
//! 3. [`bulkhead`] lets an attempt wait, within the deadline, while as many are in flight as may be. A backoff holds no permit.
//! 4. [`balance`] chooses an endpoint whose [`circuit_breaker`] lets the attempt through, and turns it away where there is none. It is asked
//!    late, so that it sees nothing of the wait and no attempt goes out that was let through long ago.
//! 5. [`attempt_timeout`] ends an attempt that takes too long.
//! 6. The [interceptors](ServiceClientBuilder::interceptor) see the request, and may refuse it.
//! 7. [`telemetry`] records it, by the OpenTelemetry conventions.
//! 8. The [`transport`] sends: reqwest, without redirects, system proxies or retries of its own.
//! 9. The answer is read: an envelope, problem details of a REST route, or a bare status of a proxy.
//!
//! Each policy is a `tower` layer that also works alone. Budget and permits are kept for each target, breakers for each of its endpoints;
//! [`ServiceClient::stats`] shows them all.
//!
//! # When a call is tried again
//!
//! The failure has to be one that may pass, *and* trying again must do no harm: the request did not reach a handler
//! (the connection failed, or the answer says so), or the call is idempotent. A bare 429 or 503 of a proxy says nothing of the effect.
//! A call that failed after retries tells no caller to retry
//! ([`with_retries_spent`](nova_errors::ServiceError::with_retries_spent)), so that layers of services don't multiply; in this process the
//! error still says that the failure may pass, and a job that comes back a minute later is right to.
//!
//! # Bounds
//!
//! | what | default |
//! |---|---|
//! | a call in all | 10 s, or the inherited deadline less 10 ms |
//! | an attempt | 2 s; all that is left where the call cannot be retried |
//! | a connect | 1 s |
//! | attempts | 3, full jitter from 50 ms to 2 s |
//! | retries of a target | 20 % of the calls, 10 a second, and a burst of 10 |
//! | a circuit | opens at 50 % of at least 20 calls in 10 s, for 5 s; 3 probes close it |
//! | attempts in flight at a target | no limit; [`concurrency_limit`](ServiceClientBuilder::concurrency_limit) sets one |
//! | endpoints of a target | 64 |
//! | targets at the base URL with a state of their own | some 256 |
//! | addresses of its commands that an endpoint keeps | some 64 |
//! | headers that a call can set | 32 |
//! | the body of an answer | 16 MiB |
//! | a peer's error | a message of 1 KiB, 100 violations of 1 KiB each |
//! | idle connections | 64 per host, 4 s |
//!
//! # Metrics
//!
//! By way of the `metrics` crate, beside the histogram of [`telemetry`]:
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `nova_client_retries_total` | counter of the retries that the budget granted | `target` |
//! | `nova_client_budget_level` | gauge, the retries that are left in the budget | `target` |
//! | `nova_client_breaker_state` | gauge: 0 closed, 1 half open, 2 open | `target`, `server.address`, `server.port` |
//!
//! The targets that share a state, being too many, have the `target` `other`. The gauges are of one client: two clients of a process that call
//! the same target overwrite each other's, so make one and clone it. Channels of `grpc` have none of these.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `rustls` (default) | TLS for `https` endpoints |
//! | `grpc` | `grpc`: unary calls of a tonic channel through the same policies |
//! | `grpc-tls` | `grpc`, with TLS for `https` addresses |
//! | `test-util` | `test_util`: a scripted server and a fake transport, for tests |

mod address;
mod atomic_word;
mod base_url;
mod call;
mod command_builder;
mod context_headers;
mod deadline;
mod endpoints;
mod exchange;
mod idempotency_key;
mod interceptor;
mod memo;
mod peer;
mod service_client;
mod settings;
mod stack;
mod targets;
mod wall_clock;

pub mod attempt_timeout;
pub mod balance;
pub mod bulkhead;
pub mod circuit_breaker;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod retry;
pub mod stats;
pub mod telemetry;
#[cfg(feature = "test-util")]
pub mod test_util;
pub mod transport;

pub use call::{Attempt, Call};
pub use command_builder::CommandBuilder;
pub use interceptor::{InterceptorRefusal, OutboundRequest};
pub use service_client::{ServiceClient, ServiceClientBuilder};
