use std::sync::Arc;

use http::{Method, StatusCode};
use metrics::{Key, Label, SharedString};
use tokio::time::Instant;

use super::recorder;

const DURATION: &str = "http.client.request.duration";

/// The server of an endpoint in metrics and spans.
#[derive(Debug)]
pub(crate) struct Server {
    address: Arc<str>,
    port: u16,
    /// The key of most requests: a command that is answered with 200.
    success: Key,
}

impl Server {
    pub(crate) fn new(address: &str, port: u16) -> Self {
        let address = Arc::from(address);
        let status = Some(StatusCode::OK);
        Self {
            success: key(&address, port, "POST", status, None),
            address,
            port,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The labels that tell this server from others.
    pub(crate) fn labels(&self) -> [Label; 2] {
        labels(&self.address, self.port)
    }

    pub(super) fn record(
        &self,
        method: &'static str,
        status: Option<StatusCode>,
        error: Option<&'static str>,
        since: Instant,
    ) {
        if method == "POST" && status == Some(StatusCode::OK) {
            recorder::record_since(&self.success, since);
        } else {
            let key = key(&self.address, self.port, method, status, error);
            recorder::record_since(&key, since);
        }
    }
}

fn key(
    address: &Arc<str>,
    port: u16,
    method: &'static str,
    status: Option<StatusCode>,
    error: Option<&'static str>,
) -> Key {
    let mut labels = Vec::from(labels(address, port));
    labels.push(Label::from_static_parts("http.request.method", method));
    let failed = status.filter(|status| status.as_u16() >= 400);
    if let Some(status) = status {
        let status = status.as_u16().to_string();
        labels.push(Label::new("http.response.status_code", status));
    }
    if let Some(status) = failed {
        labels.push(Label::new("error.type", status.as_u16().to_string()));
    } else if let Some(error) = error {
        labels.push(Label::from_static_parts("error.type", error));
    }
    Key::from_parts(DURATION, labels)
}

fn labels(address: &Arc<str>, port: u16) -> [Label; 2] {
    [
        Label::new(
            "server.address",
            SharedString::from_shared(Arc::clone(address)),
        ),
        Label::new("server.port", port.to_string()),
    ]
}

/// A caller can invent methods; the label has those of the conventions alone.
pub(super) fn known(method: &Method) -> &'static str {
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
