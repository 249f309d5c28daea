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
//! | time in which nothing of a body comes | [`BodyLimit::STALL`], 30 s |
//! | time of a request | its deadline; [`ServiceLayer::max_deadline`] |
//! | time in which a client takes nothing of its answer | [`HttpServer::STALL`], 60 s |
//! | connections of an HTTP server | [`HttpServer::max_connections`], 16 384 |
//! | drain of the HTTP server | [`HttpServer::drain_deadline`], 10 s |
//! | connection without a request head | [`HttpServer::IDLE`], 2 minutes |
//! | stop of all workers | [`SupervisorBuilder::shutdown_deadline`], 10 s |
//! | restarts of a worker | [`SupervisorBuilder::restart`], 10 attempts |
//! | answers kept for repeated commands | [`IdempotencyLayer::RETENTION`], 24 h; [`IdempotencyLayer::MAX_ANSWER`], 256 KiB each |
//! | … in the memory of the process | [`MemoryIdempotencyStore::CAPACITY`], 100 000; [`MemoryIdempotencyStore::MAX_BYTES`], 64 MiB |
//! | … deleted at once | [`IdempotencyPurge::BATCH`], 1000, [`IdempotencyPurge::BATCHES`] times a run |
//! | a health check | [`Health::timeout`], 1 s, at most once in [`Health::CACHE`] |
//! | requests that run, those that wait, and how long | [`LoadShed::new`]; [`LoadShed::QUEUE`], 64; [`LoadShed::MAX_WAIT`], 100 ms |
//! | keys of a rate limit | `RateLimiter::MAX_KEYS`, 65 536 |
//! | calls at a time on a connection of HTTP/2 | [`HttpServer::MAX_STREAMS`], 1024 |
//! | gRPC methods told apart in metrics | 1024 |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `actix` | the module `actix`: layers, extractors, commands and health routes for services on actix-web |
//! | `grpc` | `GrpcLayer`: `ServiceLayer` for the services of tonic; `GrpcHealth`: `grpc.health.v1.Health` fed by [`Health`] |
//! | `http2` | HTTP/2 without TLS in [`HttpServer`] |
//! | `postgres`, `sqlite` | `SqlIdempotencyStore`: an idempotent command's answer, in the handler's own transaction |
//! | `rate-limit` | `RateLimitLayer`, and `RateLimiter` for any framework |
//! | `redis` | `RedisIdempotencyStore`: for all processes of a service |
//! | `test-util` | `conformance`: the suite that every [`IdempotencyStore`] passes |
//! | `telemetry` | the module `telemetry`: logs, OpenTelemetry traces and the Prometheus endpoint, for binaries |

mod background_worker;
mod body_limit;
mod command;
#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(feature = "grpc")]
mod grpc;
mod header_view;
mod health;
mod http_server;
mod idempotency;
mod json;
mod load_shed;
mod panic;
mod path;
mod patience;
mod patient_body;
mod patient_stream;
mod probe;
mod query;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod raw_body;
mod service_layer;
mod shutdown;
mod supervisor;
mod violation;
mod worker_error;
mod worker_fn;

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "telemetry")]
pub mod telemetry;

pub use background_worker::BackgroundWorker;
pub use body_limit::{BodyLimit, LimitBody};
pub use command::{Command, CommandReply, CommandRouter, IdempotencyKey};
#[cfg(feature = "grpc")]
pub use grpc::{GrpcHealth, GrpcLayer, LayeredGrpc};
pub use health::Health;
pub use http_server::{HttpServer, serve};
#[cfg(feature = "redis")]
pub use idempotency::RedisIdempotencyStore;
pub use idempotency::{
    Claim, CommandClaim, CommandKey, Fingerprint, IdempotencyLayer, IdempotencyPurge,
    IdempotencyService, IdempotencyStore, MemoryIdempotencyStore, StoredAnswer,
};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use idempotency::{
    CommandTransaction, IdempotencyDatabase, SqlIdempotencyStore, migrate_idempotency,
};
pub use json::Json;
pub use load_shed::{LoadShed, LoadShedLayer, LoadShedding, Permit};
pub use path::Path;
pub use query::Query;
#[cfg(feature = "rate-limit")]
pub use rate_limit::{
    ClientAddress, RateCheck, RateLimit, RateLimitLayer, RateLimited, RateLimiter, TrustedProxies,
};
pub use raw_body::RawBody;
pub use service_layer::{LayeredService, ServiceLayer};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use supervisor::{Supervisor, SupervisorBuilder, WorkerState};
pub use worker_error::WorkerError;
pub use worker_fn::{WorkerFn, worker_fn};
