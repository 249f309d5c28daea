//! Telemetry set-up, for binaries: logs to stderr, traces by OTLP, metrics for Prometheus.
//!
//! ```
//! use nova_service::telemetry::{self, LogFormat, Telemetry};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let telemetry = Telemetry::builder("content-service")
//!     .log_format(LogFormat::Json)
//!     .filter("info,sqlx=warn")
//!     .otlp_endpoint(None::<String>)
//!     .install()?;
//! let app: axum::Router = axum::Router::new().merge(telemetry::metrics_router());
//! // … serve …
//! telemetry.shutdown().await?;
//! # Ok::<(), nova_errors::ServiceError>(())
//! # }).unwrap();
//! ```

mod builder;
mod guard;
mod prometheus;
mod tracer;

pub use builder::{LogFormat, Telemetry, TelemetryBuilder};
pub use guard::TelemetryGuard;
pub use prometheus::metrics_router;
