//! Shows each attempt as an HTTP client request, by the [OpenTelemetry conventions](https://opentelemetry.io/docs/specs/semconv/http/):
//! a histogram by way of the `metrics` crate, and a span by way of `tracing`.
//!
//! | name | kind | labels or fields |
//! |---|---|---|
//! | `http.client.request.duration` | histogram, seconds | `http.request.method`, `server.address`, `server.port`, `http.response.status_code`, `error.type` |
//! | `attempt` | span of kind client, level debug | the same, `url.full` without credentials and query, `otel.status_code` of a failure and, from the second attempt on, `http.request.resend_count` |
//!
//! The duration is that of one attempt, from when it has its permit until the whole answer is there. `error.type` is the status where it is 400 or more, the error's kind where there was no answer, `timeout` where the attempt
//! took too long, and `cancelled` where it was dropped before. Every label has few values: a layer is made for one server, and what a
//! peer or a caller invents becomes none.
//!
//! What was recorded before a recorder was installed is lost; one that is installed later gets what comes then. Without one
//! the clock is not read.
//!
//! It is the lowest layer, right above the transport, and hands that the plain request.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use nova_client::Call;
//! use nova_client::attempt_timeout::AttemptTimeoutLayer;
//! use nova_client::retry::RetryLayer;
//! use nova_client::telemetry::TelemetryLayer;
//! use nova_errors::{RetryPolicy, ServiceError};
//! use nova_models::Deadline;
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut service = ServiceBuilder::new()
//!     .layer(RetryLayer::new(RetryPolicy::standard()))
//!     .layer(AttemptTimeoutLayer)
//!     .layer(TelemetryLayer::new("http://feed:8080")?)
//!     .service(service_fn(async |_: Request<Bytes>| Ok::<_, ServiceError>(Response::new("hello"))));
//!
//! let deadline = Deadline::after(tokio::time::Instant::now().into_std(), Duration::from_secs(10));
//! let request = Request::get("http://feed:8080/hello").body(Bytes::new())?;
//! let answer = service.ready().await?.call(Call::new(request, deadline)).await?;
//! assert_eq!(*answer.body(), "hello");
//! # Ok(())
//! # }
//! ```

mod exchange_record;
mod exchange_span;
mod future;
mod layer;
mod recorder;
mod server;
mod service;

pub(crate) use exchange_record::ExchangeRecord;
pub(crate) use exchange_span::ExchangeSpan;
pub use future::TelemetryFuture;
pub use layer::TelemetryLayer;
pub(crate) use recorder::{add_one, set_gauge};
pub(crate) use server::Server;
pub use service::Telemetry;
