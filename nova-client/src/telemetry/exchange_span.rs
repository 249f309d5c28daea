use std::fmt;
use std::sync::Arc;

use http::{Request, StatusCode, Uri};
use tracing::Span;
use tracing::field::Empty;
use tracing::span::Entered;

use super::server;
use crate::Attempt;
use crate::peer::Peer;

/// The span of a request, from before it is sent.
#[derive(Debug)]
pub(crate) struct ExchangeSpan {
    method: &'static str,
    span: Span,
}

impl ExchangeSpan {
    pub(crate) fn new<B>(attempt: &Attempt<(), Arc<Peer>>, request: &Request<B>) -> Self {
        let method = server::known(request.method());
        let server = attempt.endpoint().server();
        let span = tracing::debug_span!(
            "attempt",
            otel.kind = "client",
            otel.name = method,
            http.request.method = method,
            server.address = server.address(),
            server.port = server.port(),
            url.full = display(Shown(request.uri())),
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            otel.status_code = Empty,
            error.r#type = Empty,
        );
        if attempt.number() > 1 {
            span.record("http.request.resend_count", attempt.number() - 1);
        }
        Self { method, span }
    }

    pub(super) fn method(&self) -> &'static str {
        self.method
    }

    pub(super) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    pub(super) fn record(&self, status: Option<StatusCode>, error: Option<&'static str>) {
        if let Some(status) = status {
            self.span
                .record("http.response.status_code", status.as_u16());
        }
        let failed = status.filter(|status| status.as_u16() >= 400);
        if let Some(error) = failed.as_ref().map(StatusCode::as_str).or(error) {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", error);
        }
    }
}

/// An address as it may be logged: a query can hold a signature, and the authority credentials.
struct Shown<'a>(&'a Uri);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(scheme), Some(authority)) = (self.0.scheme_str(), self.0.authority()) {
            let whole = authority.as_str();
            let server = whole.rsplit_once('@').map_or(whole, |(_, server)| server);
            write!(f, "{scheme}://{server}")?;
        }
        f.write_str(self.0.path())
    }
}
