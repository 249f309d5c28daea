use std::sync::Arc;

use axum::extract::MatchedPath;
use axum::http::Method;
use metrics::{Label, SharedString};
use tokio::time::Instant;

/// Records `http.server.request.duration` when it is dropped.
pub(super) struct DurationMetric {
    service: Arc<str>,
    method: &'static str,
    route: Option<MatchedPath>,
    status: u16,
    started: Instant,
}

/// The status of a request whose client left before the answer: nobody but the metric sees it.
const CLIENT_LEFT: u16 = 499;

impl DurationMetric {
    pub(super) fn start(service: Arc<str>, method: &Method, route: Option<MatchedPath>) -> Self {
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
        if let Some(route) = &self.route {
            labels.push(Label::new("http.route", route.as_str().to_owned()));
        }
        metrics::histogram!("http.server.request.duration", labels)
            .record(self.started.elapsed().as_secs_f64());
    }
}

/// A client can invent methods; the label has those of the OpenTelemetry conventions alone.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}
