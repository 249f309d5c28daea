use std::str::FromStr;

use anyhow::anyhow;
use nova_service::telemetry::{LogFormat, Telemetry, TelemetryGuard};

use crate::Environment;

/// What a binary says of itself: `RUST_LOG`, `NOVA_LOG_FORMAT` and `OTEL_EXPORTER_OTLP_ENDPOINT`.
#[derive(Debug)]
pub struct TelemetrySettings {
    filter: Option<String>,
    format: Format,
    endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Format(LogFormat);

impl FromStr for Format {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "pretty" => Ok(Self(LogFormat::Pretty)),
            "json" => Ok(Self(LogFormat::Json)),
            _ => Err(anyhow!("got {text:?}")),
        }
    }
}

impl TelemetrySettings {
    /// Reads the settings.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            filter: environment.optional("RUST_LOG", "a filter such as info,sqlx=warn"),
            format: environment
                .optional("NOVA_LOG_FORMAT", "pretty or json")
                .unwrap_or(Format(LogFormat::Pretty)),
            endpoint: environment.optional("OTEL_EXPORTER_OTLP_ENDPOINT", "http://HOST:PORT"),
        }
    }

    /// Sets logs (to stderr), traces and metrics up for the process; `filter` is used where
    /// `RUST_LOG` is absent. Shut the guard down at the end: it sends what is left.
    ///
    /// # Errors
    ///
    /// Where a setting is not valid, or telemetry was set up before.
    pub fn install(self, service: &'static str, filter: &str) -> anyhow::Result<TelemetryGuard> {
        Ok(Telemetry::builder(service)
            .log_format(self.format.0)
            .filter(self.filter.as_deref().unwrap_or(filter))
            .otlp_endpoint(self.endpoint)
            .install()?)
    }
}
