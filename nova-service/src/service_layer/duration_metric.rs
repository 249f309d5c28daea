use std::sync::Arc;

use metrics::{Label, SharedString};
use tokio::time::Instant;

/// Records `http.server.request.duration` when it is dropped.
pub(super) struct DurationMetric {
    service: Arc<str>,
    method: &'static str,
    route: Option<String>,
    status: u16,
    started: Instant,
}

/// The status of a request whose client left before the answer: nobody but the metric sees it.
const CLIENT_LEFT: u16 = 499;

impl DurationMetric {
    pub(super) fn start(service: Arc<str>, method: &str, route: Option<String>) -> Self {
        Self {
            service,
            method: known(method),
            route,
            status: CLIENT_LEFT,
            started: Instant::now(),
        }
    }

    pub(super) fn finish(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for DurationMetric {
    fn drop(&mut self) {
        let mut labels = vec![
            Label::new("service", SharedString::from(self.service.clone())),
            Label::from_static_parts("http.request.method", self.method),
            Label::new("http.response.status_code", self.status.to_string()),
        ];
        if let Some(route) = self.route.take() {
            labels.push(Label::new("http.route", route));
        }
        metrics::histogram!("http.server.request.duration", labels)
            .record(self.started.elapsed().as_secs_f64());
    }
}

/// A client can invent methods; labels and spans have those of the OpenTelemetry conventions alone.
pub(super) fn known(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("_OTHER")
}
