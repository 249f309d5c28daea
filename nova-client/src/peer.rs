use http::Uri;
use nova_errors::ServiceError;
use nova_models::{EndpointName, ServiceName};

use crate::base_url::BaseUrl;
use crate::telemetry::Server;

/// An endpoint of a target: where it is, and how metrics name it.
#[derive(Debug)]
pub(crate) struct Peer {
    url: BaseUrl,
    server: Server,
}

impl Peer {
    pub(crate) fn new(url: BaseUrl) -> Self {
        // The brackets of an IPv6 address belong to the URL.
        let host = url.host().trim_matches(['[', ']']);
        let server = Server::new(host, url.port());
        Self { url, server }
    }

    pub(crate) fn url(&self) -> &BaseUrl {
        &self.url
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The address of a command at this endpoint.
    pub(crate) fn command_uri(
        &self,
        target: &ServiceName,
        endpoint: &EndpointName,
    ) -> Result<Uri, ServiceError> {
        self.url.command_uri(target, endpoint)
    }
}
