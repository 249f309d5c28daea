use std::sync::Arc;

use nova_errors::ServiceError;
use tower_layer::Layer;

use super::Telemetry;
use crate::base_url::BaseUrl;
use crate::peer::Peer;

/// Makes a [`Telemetry`] of a service that talks to one server.
#[derive(Debug, Clone)]
pub struct TelemetryLayer {
    peer: Arc<Peer>,
}

impl TelemetryLayer {
    /// For requests to the server at `url`, whose host and port are the labels `server.address` and `server.port`.
    ///
    /// # Errors
    ///
    /// `Validation` where the URL is malformed, is neither `http` nor `https`, or holds credentials.
    pub fn new(url: &str) -> Result<Self, ServiceError> {
        Ok(Self {
            peer: Arc::new(Peer::new(BaseUrl::parse("url", url)?)),
        })
    }
}

impl<S> Layer<S> for TelemetryLayer {
    type Service = Telemetry<S>;

    fn layer(&self, inner: S) -> Telemetry<S> {
        Telemetry::new(inner, Arc::clone(&self.peer))
    }
}
