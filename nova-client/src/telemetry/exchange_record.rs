use std::sync::Arc;

use http::StatusCode;
use nova_errors::ServiceError;
use tokio::time::Instant;

use super::ExchangeSpan;
use crate::Attempt;
use crate::peer::Peer;

/// A request on its way, which is recorded when it is answered, fails, or is dropped.
#[derive(Debug)]
pub(crate) struct ExchangeRecord {
    attempt: Attempt<(), Arc<Peer>>,
    span: ExchangeSpan,
    open: bool,
}

impl ExchangeRecord {
    pub(crate) fn new(attempt: Attempt<(), Arc<Peer>>, span: ExchangeSpan) -> Self {
        Self {
            attempt,
            span,
            open: true,
        }
    }

    pub(super) fn span(&self) -> &ExchangeSpan {
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
        let server = self.attempt.endpoint().server();
        server.record(self.span.method(), status, error, self.attempt.started());
        self.span.record(status, error);
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
