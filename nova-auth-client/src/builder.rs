use std::time::Duration;

use nova_client::grpc;
use nova_errors::{ServiceError, Violation};
use tonic::transport::Channel;

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
    /// It returns at once: the connection is made when it is needed, kept alive, and made again for ever when it is lost.
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
        let endpoint = grpc::endpoint(url)?.connect_timeout(self.connect_timeout);
        self.over(endpoint.connect_lazy())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_time_out_of_zero_is_refused() {
        let builder = AuthClient::builder().timeout(Duration::ZERO);
        let error = builder.connect("http://auth").await.unwrap_err();
        assert_eq!(error.violations()[0].field, "timeout");
    }
}
