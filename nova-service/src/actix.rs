//! The same for services on [actix-web](actix_web) 4 (feature `actix`).
//!
//! [`ServiceLayer`](crate::ServiceLayer), [`Command`](crate::Command) and [`CommandReply`](crate::CommandReply), [`Json`](crate::Json),
//! [`Query`](crate::Query), [`Path`](crate::Path) and [`RawBody`](crate::RawBody) are the types that axum services use; here they are a middleware, extractors and
//! responders of actix-web. So are [`IdempotencyLayer`](crate::IdempotencyLayer) with `CommandTransaction`, [`LoadShedLayer`](crate::LoadShedLayer) and `RateLimitLayer`. What differs between
//! the frameworks is in this module.
//!
//! ```
//! use actix_web::{App, HttpServer, web};
//! use nova_errors::ServiceError;
//! use nova_service::{Command, CommandReply, Health, ServiceLayer, Shutdown, actix};
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
//! let health = Health::new("streaming-service", env!("CARGO_PKG_VERSION")).shutdown(shutdown.clone());
//! let health = actix::HealthRoutes::new(health);
//! let commands = actix::CommandRouter::new("streaming-service").command("streams/info", info).build()?;
//!
//! let app = move || {
//!     App::new()
//!         .route("/api/v1/streams", web::get().to(async || "[]"))
//!         .service(health.clone())
//!         .service(commands.clone())
//!         .wrap(ServiceLayer::new("streaming-service"))
//! };
//! let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0")?.run();
//! # trigger.shutdown();
//! actix::serve(server, shutdown).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What to know
//!
//! - `ServiceLayer` is wrapped last, so that it is outermost. Where it has to answer in the place of a handler that panicked or ran out of time, or of a middleware that failed, it
//!   returns an [`actix_web::Error`] that holds the whole answer, since the request is gone by then: a middleware outside of it sees an `Err`.
//! - actix-web's own extractors keep working: what `web::Json`, `web::Query`, `web::Form` and `web::Bytes` refuse is answered as `Validation` or `PayloadTooLarge`, and what `web::Path` refuses
//!   stays `NotFound`. They name the field less exactly than the types of this crate, and their limits are those of actix-web.
//! - A command that they refuse has an unknown effect in its answer, since they cannot tell that no handler saw it. [`Command`](crate::Command) tells.
//! - A connection whose body was left unread, as actix-web's own extractors leave one over their limit, stays for
//!   [`client_disconnect_timeout`](actix_web::HttpServer::client_disconnect_timeout) after the answer, 1 s unless set.
//! - An error of another type is the service's own to answer, with one exception: where its status is 500 or more and actix-web would answer with the error's message as text, the message
//!   goes to the log and a problem to the caller.
//! - A wrong method is 405 on a `web::resource`, and 404 on an [`App::route`](actix_web::App::route), which is how actix-web routes.
//! - A [`BodyLimit`](crate::BodyLimit) for one route is app data, as actix-web's own configurations are: `web::resource("/import").app_data(BodyLimit::bytes(16 << 20))`.
//! - A client that leaves does not stop its handler, unless the server has
//!   [`h1_allow_half_closed(false)`](actix_web::HttpServer::h1_allow_half_closed); its deadline does.
//! - A handler that panics does not take its worker's connection with it.
//! - actix-web runs its workers on threads and runtimes of its own; that is its way, and [`serve`] works inside any tokio runtime.

mod body;
mod command;
mod command_router;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod command_transaction;
mod gate;
mod head;
mod headers;
mod health_routes;
mod idempotency;
mod json;
mod layered_service;
mod load_shed;
mod path;
mod query;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod rejection;
mod server_worker;

pub use command_router::{CommandRouter, Commands};
pub use gate::Gated;
pub use health_routes::HealthRoutes;
pub use idempotency::{Attached, IdempotentService};
pub use layered_service::LayeredService;
pub use server_worker::{ServerWorker, serve};
