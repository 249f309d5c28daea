use std::sync::Arc;

use http::{Request, StatusCode};
use nova_errors::ServiceError;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use super::server;
use crate::Attempt;
use crate::peer::Peer;

/// A request on its way, which is recorded when it is answered, fails, or is dropped.
#[derive(Debug)]
pub(crate) struct ExchangeRecord {
    attempt: Attempt<(), Arc<Peer>>,
    method: &'static str,
    span: Span,
    open: bool,
}

impl ExchangeRecord {
    pub(crate) fn start<B>(attempt: Attempt<(), Arc<Peer>>, request: &Request<B>) -> Self {
        let method = server::known(request.method());
        let server = attempt.endpoint().server();
        let span = tracing::debug_span!(
            "attempt",
            otel.kind = "client",
            otel.name = method,
            http.request.method = method,
            server.address = server.address(),
            server.port = server.port(),
            url.full = display(request.uri()),
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            error.r#type = Empty,
        );
        if attempt.number() > 1 {
            span.record("http.request.resend_count", attempt.number() - 1);
        }
        Self {
            attempt,
            method,
            span,
            open: true,
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn finish(mut self, outcome: Result<StatusCode, &ServiceError>) {
        match outcome {
            Ok(status) => self.record(Some(status), None),
            Err(error) => self.record(None, Some(error.kind().code())),
        }
    }

    fn record(&mut self, status: Option<StatusCode>, error: Option<&'static str>) {
        self.open = false;
        let seconds = self.attempt.started().elapsed().as_secs_f64();
        self.attempt
            .endpoint()
            .server()
            .record(self.method, status, error, seconds);
        if let Some(status) = status {
            self.span
                .record("http.response.status_code", status.as_u16());
            if status.as_u16() >= 400 {
                self.span.record("error.type", status.as_str());
            }
        }
        if let Some(error) = error {
            self.span.record("error.type", error);
        }
    }
}

impl Drop for ExchangeRecord {
    fn drop(&mut self) {
        if self.open {
            let late = Instant::now() >= self.attempt.until();
            self.record(None, Some(if late { "timeout" } else { "cancelled" }));
        }
    }
}
