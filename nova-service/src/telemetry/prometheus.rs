use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use nova_errors::ServiceError;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// The recorder is the process's, as the macros of `metrics` are.
static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// The boundaries, in seconds, that the OpenTelemetry conventions recommend for durations of calls.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// How often what was recorded and not scraped is folded together, so that it doesn't grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// `GET /metrics`: the metrics of the whole process in the text format of Prometheus; `ServiceUnavailable` before
/// [`install`](super::TelemetryBuilder::install).
///
/// Names have dots replaced by underscores and the unit appended: `http.server.request.duration` is `http_server_request_duration_seconds`.
/// It is for the internal side: nothing here asks who is calling.
pub fn metrics_router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/metrics", get(scrape))
}

async fn scrape() -> Response {
    match HANDLE.get() {
        Some(handle) => {
            let text = [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )];
            (text, handle.render()).into_response()
        }
        None => {
            ServiceError::ServiceUnavailable("metrics are not installed".into()).into_response()
        }
    }
}

pub(super) fn install(runtime: &Handle) -> Result<AbortOnDropHandle<()>, ServiceError> {
    let handle = recorder().map_err(|error| {
        ServiceError::Conflict("a metrics recorder is installed already".into()).with_source(error)
    })?;
    for duration in [
        "http.server.request.duration",
        "http.client.request.duration",
        "rpc.client.call.duration",
        "rpc.server.call.duration",
        "messaging.process.duration",
        "messaging.client.operation.duration",
    ] {
        metrics::describe_histogram!(duration, Unit::Seconds, "");
    }
    let handle = HANDLE.get_or_init(|| handle).clone();
    let upkeep = runtime.spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            handle.run_upkeep();
        }
    });
    Ok(AbortOnDropHandle::new(upkeep))
}

fn recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("seconds".to_owned()), &SECONDS)?
        .install_recorder()
}
