use std::time::Duration;

use http::Uri;
use nova_errors::{ServiceError, Violation};
use tonic::transport::{Channel, Endpoint};

use crate::AuthClient;

/// Settings of an [`AuthClient`]; the defaults are for production.
///
/// ```
/// # async fn run() -> Result<(), nova_errors::ServiceError> {
/// use std::time::Duration;
/// use nova_auth_client::AuthClient;
///
/// let auth = AuthClient::builder()
///     .timeout(Duration::from_millis(500))
///     .connect("http://auth-service:8084")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct AuthClientBuilder {
    timeout: Duration,
    connect_timeout: Duration,
}

impl AuthClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(1),
        }
    }

    /// Sets the longest that a call takes, retries included: 2 s by default. A caller's earlier deadline wins.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the longest that one attempt to connect takes: 1 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// A client of the service at `url`, such as `http://auth-service:8084`.
    ///
    /// It returns at once: the connection is made in the background, kept alive, and made again for ever when it is lost.
    ///
    /// # Errors
    ///
    /// `Validation` where the URL is none of the form `http://host:port` (`https` with the feature `tls`),
    /// or a time-out is zero.
    #[expect(
        clippy::unused_async,
        reason = "the connection needs the runtime that an asynchronous function implies"
    )]
    pub async fn connect(self, url: &str) -> Result<AuthClient, ServiceError> {
        let channel = endpoint(url)?
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .connect_lazy();
        self.over(channel)
    }

    /// A client over a channel that the caller has set up, for what this builder does not offer: Unix sockets,
    /// certificates of one's own, several addresses.
    ///
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// `Validation` where a time-out is zero.
    pub fn over(self, channel: Channel) -> Result<AuthClient, ServiceError> {
        for (field, timeout) in [
            ("timeout", self.timeout),
            ("connect_timeout", self.connect_timeout),
        ] {
            if timeout.is_zero() {
                let violation = Violation::new(field, "expected more than zero");
                return Err(ServiceError::Validation(violation.into()));
            }
        }
        AuthClient::new(channel, self.timeout)
    }
}

fn endpoint(url: &str) -> Result<Endpoint, ServiceError> {
    let invalid = |expected: &'static str| {
        let violation = Violation::new("auth_service_url", expected);
        ServiceError::Validation(violation.into())
    };
    let address = || invalid("expected http://host:port");
    let uri: Uri = url.parse().map_err(|error| address().with_source(error))?;
    let authority = uri.authority().ok_or_else(address)?;
    let named = match authority.port_u16() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    };
    // Neither a user, nor a port that is none, nor a path that would be ignored.
    if authority.host().is_empty() || authority.as_str() != named {
        return Err(address());
    }
    if !uri.path().trim_matches('/').is_empty() || uri.query().is_some() {
        return Err(address());
    }
    let endpoint =
        Endpoint::from_shared(url.to_owned()).map_err(|error| address().with_source(error))?;
    match uri.scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => secure(endpoint),
        _ => Err(invalid("expected the scheme http or https")),
    }
}

#[cfg(feature = "tls")]
fn secure(endpoint: Endpoint) -> Result<Endpoint, ServiceError> {
    let tls = tonic::transport::ClientTlsConfig::new().with_native_roots();
    endpoint.tls_config(tls).map_err(|error| {
        let violation = Violation::new("auth_service_url", "TLS cannot be set up for it");
        ServiceError::Validation(violation.into()).with_source(error)
    })
}

#[cfg(not(feature = "tls"))]
fn secure(_: Endpoint) -> Result<Endpoint, ServiceError> {
    let violation = Violation::new("auth_service_url", "https needs the feature `tls`");
    Err(ServiceError::Validation(violation.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_host_is_a_url() {
        for url in [
            "http://auth:8084",
            "http://127.0.0.1:1/",
            "http://[::1]:9",
            "http://auth",
        ] {
            assert!(endpoint(url).is_ok(), "{url}");
        }
        let bad = [
            "",
            "auth",
            "auth:8084",
            "/auth",
            "ftp://auth",
            "unix:///tmp/auth",
            "http://",
            "http://auth:99999",
            "http://auth/api",
            "http://auth?x=1",
            "http://user:secret@auth",
            "http://a b",
        ];
        for url in bad {
            let error = endpoint(url).expect_err(url);
            assert_eq!(error.violations()[0].field, "auth_service_url", "{url}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[tokio::test]
    async fn a_time_out_of_zero_is_refused() {
        let builder = AuthClient::builder().timeout(Duration::ZERO);
        let error = builder.connect("http://auth").await.unwrap_err();
        assert_eq!(error.violations()[0].field, "timeout");
    }
}
