//! For tests: a server that checks the wire, and a transport that needs none.
//!
//! [`FakeTransport`] stands in for the network in memory. With tokio's paused clock
//! (`#[tokio::test(start_paused = true)]`) time-outs, backoffs and `Retry-After` then pass in no time, and always in the same way:
//!
//! ```
//! use std::time::Duration;
//! use nova_client::test_util::{Answer, FakeTransport, Outcome};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), nova_errors::ServiceError> {
//! let transport = FakeTransport::new([
//!     Outcome::refused(),
//!     Answer::new(503).header("retry-after", "1").into(),
//!     Answer::success(7).into(),
//! ]);
//! let client = transport.builder("user-service").build()?;
//! let reply: u8 = client.command("feed-service", "feeds/count", ()).idempotent().send().await?;
//!
//! assert_eq!(reply, 7);
//! let sent = transport.sent();
//! assert!(sent[2].at - sent[1].at >= Duration::from_secs(1));
//! assert_eq!(sent[2].header("x-nova-attempt"), Some("3"));
//! # Ok(())
//! # }
//! ```
//!
//! [`ScriptedServer`] listens on a loopback port, for what only real sockets show: what was sent, byte for byte, and connections that
//! break. Leave the clock running there, as a paused one jumps ahead while the kernel is at work:
//!
//! ```
//! use nova_client::ServiceClient;
//! use nova_client::test_util::{Answer, Reply, ScriptedServer};
//! use nova_errors::Effect;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), nova_errors::ServiceError> {
//! let server = ScriptedServer::start([Reply::from(Answer::success("hello")), Reply::reset()]).await?;
//! let client = ServiceClient::new("user-service", &server.url());
//!
//! let reply: String = client.call("greeter-service", "greet", "Ada").await?;
//! assert_eq!(reply, "hello");
//! assert!(server.received()[0].head.starts_with("POST /api/v1/greeter-service/greet HTTP/1.1\r\n"));
//!
//! let error = client.call::<String>("greeter-service", "greet", "Ada").await.unwrap_err();
//! assert_eq!(error.effect(), Effect::Unknown);
//! assert_eq!(server.received().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Both keep the first 10 000 requests.

mod answer;
mod fake_transport;
mod outcome;
mod received;
mod reply;
mod scripted_server;

pub use answer::Answer;
pub use fake_transport::{FakeTransport, Sent};
pub use outcome::Outcome;
pub use received::Received;
pub use reply::Reply;
pub use scripted_server::ScriptedServer;

/// How many requests are kept.
const MAX_KEPT: usize = 10_000;
