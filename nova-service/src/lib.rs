//! The other end of a call: envelope and deadline in, errors and health out, and workers that
//! stop when they are asked to.
//!
//! ```
//! use axum::{Router, routing::get};
//! use nova_errors::ServiceError;
//! use nova_service::{Command, CommandReply, CommandRouter, Health, ServiceLayer, Shutdown};
//!
//! #[derive(serde::Deserialize)]
//! struct GetStreamInfo { stream_id: u64 }
//!
//! async fn info(command: Command<GetStreamInfo>) -> Result<CommandReply<String>, ServiceError> {
//!     Ok(command.reply(format!("stream {}", command.stream_id)))
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let (trigger, shutdown) = Shutdown::new(); // `Shutdown::on_signal()` in a binary
//! let health = Health::new("streaming-service", env!("CARGO_PKG_VERSION"))
//!     .owned("database", || async { Ok(()) })
//!     .shutdown(shutdown.clone());
//! let commands = CommandRouter::new("streaming-service").command("streams/info", info).build()?;
//! let app = Router::new()
//!     .route("/api/v1/streams", get(|| async { "[]" }))
//!     .merge(commands)
//!     .merge(health.router());
//! let app = ServiceLayer::new("streaming-service").wrap(app);
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # trigger.shutdown();
//! nova_service::serve(listener, app, shutdown).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Bounds
//!
//! | what | bound |
//! |---|---|
//! | body that an extractor reads | [`BodyLimit::DEFAULT`], 2 MiB |
//! | time of a request | its deadline; [`ServiceLayer::max_deadline`] |
//! | drain of the HTTP server | [`HttpServer::drain_deadline`], 10 s |
//! | connection without a request head | [`HttpServer::IDLE`], 2 minutes |
//! | stop of all workers | [`SupervisorBuilder::shutdown_deadline`], 10 s |
//! | restarts of a worker | [`SupervisorBuilder::restart`], 10 attempts |
//! | a health check | [`Health::timeout`], 1 s, at most once in [`Health::CACHE`] |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `http2` | HTTP/2 without TLS in [`HttpServer`] |
//! | `telemetry` | [`telemetry`]: logs, OpenTelemetry traces and the Prometheus endpoint, for binaries |

mod background_worker;
mod body_limit;
mod command;
mod health;
mod http_server;
mod json;
mod panic;
mod path;
mod query;
mod raw_body;
mod service_layer;
mod shutdown;
mod supervisor;
mod violation;
mod worker_error;
mod worker_fn;

#[cfg(feature = "telemetry")]
pub mod telemetry;

pub use background_worker::BackgroundWorker;
pub use body_limit::{BodyLimit, LimitBody};
pub use command::{Command, CommandReply, CommandRouter, IdempotencyKey};
pub use health::Health;
pub use http_server::{HttpServer, serve};
pub use json::Json;
pub use path::Path;
pub use query::Query;
pub use raw_body::RawBody;
pub use service_layer::{LayeredService, ServiceLayer};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use supervisor::{Supervisor, SupervisorBuilder, WorkerState};
pub use worker_error::WorkerError;
pub use worker_fn::{WorkerFn, worker_fn};
