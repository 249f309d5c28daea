use nova_errors::{ServiceError, Violation};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// A provider that sends batches to `endpoint`; it connects when there is something to send.
pub(super) fn provider(service: &str, endpoint: &str) -> Result<SdkTracerProvider, ServiceError> {
    let exporter = endpoint.starts_with("http://").then(|| {
        SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
    });
    // Neither the endpoint nor what the exporter says of it is shown: there may be credentials in it.
    let Some(Ok(exporter)) = exporter else {
        let violation = Violation::new("otlp_endpoint", "expected http://host:port");
        return Err(ServiceError::Validation(violation.into()));
    };
    let resource = Resource::builder()
        .with_service_name(service.to_owned())
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

pub(super) fn layer<S>(provider: &SdkTracerProvider) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("nova-service"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
}
