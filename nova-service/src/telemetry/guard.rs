use std::fmt;
use std::time::Duration;

use nova_errors::ServiceError;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio_util::task::AbortOnDropHandle;

/// Keeps the telemetry going, and sends what is left of the traces at the end.
///
/// Call [`shutdown`](Self::shutdown) last in `main`. Dropping it does the same, but blocks the thread for up to [`FLUSH`](Self::FLUSH), and in vain on a runtime of
/// a single thread.
#[must_use = "dropping the guard ends the telemetry"]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
    _upkeep: AbortOnDropHandle<()>,
}

impl TelemetryGuard {
    /// How long the last traces may take: 5 s.
    pub const FLUSH: Duration = Duration::from_secs(5);

    pub(super) fn new(provider: Option<SdkTracerProvider>, upkeep: AbortOnDropHandle<()>) -> Self {
        Self {
            provider,
            _upkeep: upkeep,
        }
    }

    /// Sends what is left of the traces, and ends the telemetry.
    ///
    /// # Errors
    ///
    /// `Timeout` where that took longer than [`FLUSH`](Self::FLUSH), `Upstream` where the collector did not take them.
    pub async fn shutdown(mut self) -> Result<(), ServiceError> {
        let Some(provider) = self.provider.take() else {
            return Ok(());
        };
        // It blocks its thread until the exporter is done, which may need this one.
        let flush = move || provider.shutdown_with_timeout(Self::FLUSH);
        match tokio::task::spawn_blocking(flush).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ OTelSdkError::Timeout(_))) => {
                Err(ServiceError::Timeout("send the last traces".into()).with_source(error))
            }
            Ok(Err(error)) => {
                Err(ServiceError::Upstream("send the last traces".into()).with_source(error))
            }
            Err(error) => {
                Err(ServiceError::Internal("send the last traces".into()).with_source(error))
            }
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown_with_timeout(Self::FLUSH)
        {
            tracing::warn!(%error, "could not send the last traces");
        }
    }
}

impl fmt::Debug for TelemetryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryGuard")
            .field("traces", &self.provider.is_some())
            .finish_non_exhaustive()
    }
}
