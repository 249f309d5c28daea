use std::time::Duration;

use http::Uri;
use nova_errors::{ServiceError, Violation};
use tonic::transport::Endpoint;

/// The address of a gRPC server, `http://host:port`, with the settings that production needs: see the [module](super#connections).
///
/// For whoever sets more than [`GrpcChannelBuilder::connect`](super::GrpcChannelBuilder::connect) offers; what is set here can be set again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), nova_errors::ServiceError> {
/// use std::time::Duration;
/// use nova_client::grpc::{self, GrpcChannel};
///
/// let endpoint = grpc::endpoint("http://auth-service:8084")?.connect_timeout(Duration::from_millis(200));
/// let channel = GrpcChannel::builder("user-service").build(endpoint.connect_lazy())?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Validation` where the URL is none of that form; `https` needs the feature `grpc-tls`.
pub fn endpoint(url: &str) -> Result<Endpoint, ServiceError> {
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
    let endpoint = match uri.scheme_str() {
        Some("http") => endpoint,
        Some("https") => secure(endpoint)?,
        _ => return Err(invalid("expected the scheme http or https")),
    };
    Ok(endpoint
        .connect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true))
}

#[cfg(feature = "grpc-tls")]
fn secure(endpoint: Endpoint) -> Result<Endpoint, ServiceError> {
    let tls = tonic::transport::ClientTlsConfig::new().with_native_roots();
    endpoint
        .tls_config(tls)
        .map_err(|error| invalid("TLS cannot be set up for it").with_source(error))
}

#[cfg(not(feature = "grpc-tls"))]
fn secure(_: Endpoint) -> Result<Endpoint, ServiceError> {
    Err(invalid("https needs the feature `grpc-tls`"))
}

/// The URL is not repeated: it may hold credentials.
fn invalid(expected: &'static str) -> ServiceError {
    ServiceError::Validation(Violation::new("url", expected).into())
        .with_effect(nova_errors::Effect::None)
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
            "http://user:hunter2@auth",
            "http://a b",
        ];
        for url in bad {
            let error = endpoint(url).expect_err(url);
            assert_eq!(error.violations()[0].field, "url", "{url}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
