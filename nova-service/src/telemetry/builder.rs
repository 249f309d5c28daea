use std::io::IsTerminal;

use nova_errors::{ServiceError, Violation};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::{TelemetryGuard, prometheus, tracer};

/// The telemetry of a process: see the [module](super).
#[derive(Debug, Clone, Copy)]
pub struct Telemetry;

impl Telemetry {
    /// Settings for the telemetry of a process that is known as `service`.
    pub fn builder(service: impl Into<String>) -> TelemetryBuilder {
        TelemetryBuilder {
            service: service.into(),
            log_format: LogFormat::default(),
            filter: "info".to_owned(),
            otlp_endpoint: None,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people: with colours where stderr is a terminal.
    #[default]
    Pretty,
    /// For machines: an object a line, with the fields of the event and of its span.
    Json,
}

/// Settings for [`Telemetry`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is installed"]
pub struct TelemetryBuilder {
    service: String,
    log_format: LogFormat,
    filter: String,
    otlp_endpoint: Option<String>,
}

impl TelemetryBuilder {
    /// Sets how log lines look. [`LogFormat::Pretty`] by default.
    pub fn log_format(mut self, format: LogFormat) -> Self {
        self.log_format = format;
        self
    }

    /// Sets what is logged, in the language of [`EnvFilter`]: `info,sqlx=warn`. `info` by default.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = filter.into();
        self
    }

    /// Sets the collector that traces go to by OTLP over gRPC, without TLS: `http://localhost:4317`. None by default: then nothing is traced.
    ///
    /// Spans of level info and above are sent, in batches. The OpenTelemetry SDK reads its own `OTEL_…` settings (sampling, batches, resource) from
    /// the environment.
    pub fn otlp_endpoint(mut self, endpoint: Option<impl Into<String>>) -> Self {
        self.otlp_endpoint = endpoint.map(Into::into);
        self
    }

    /// Installs it for the whole process: several services in one process share it.
    ///
    /// # Errors
    ///
    /// `Validation` for a filter or an endpoint that cannot be read, `Conflict` where a subscriber or a metrics recorder is installed already, `Internal` outside
    /// of a tokio runtime.
    pub fn install(self) -> Result<TelemetryGuard, ServiceError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            ServiceError::Internal("install telemetry".into()).with_source(error)
        })?;
        let filter = EnvFilter::builder().parse(&self.filter).map_err(|error| {
            let violation = Violation::new("filter", "expected directives such as info,sqlx=warn");
            ServiceError::Validation(violation.into()).with_source(error)
        })?;
        let provider = match &self.otlp_endpoint {
            Some(endpoint) => Some(tracer::provider(&self.service, endpoint)?),
            None => None,
        };
        let traces = provider.as_ref().map(|provider| {
            // Below info the exporter's own connection would be traced, for ever.
            tracer::layer(provider).with_filter(LevelFilter::INFO)
        });
        tracing_subscriber::registry()
            .with(self.logs())
            .with(filter)
            .with(traces)
            .try_init()
            .map_err(|error| {
                ServiceError::Conflict("a subscriber is installed already".into())
                    .with_source(error)
            })?;
        let upkeep = prometheus::install(&runtime)?;
        Ok(TelemetryGuard::new(provider, upkeep))
    }

    fn logs(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Pretty => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
            LogFormat::Json => layer
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .boxed(),
        }
    }
}
