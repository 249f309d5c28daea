use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{EndpointName, ServiceName};
use reqwest::Url;

use crate::address::Address;

/// Where a service, or an internal proxy in front of several, is reached: scheme, host, port and
/// perhaps a prefix of the path. It holds no credentials, so it may show in logs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    port: u16,
    /// Without a slash at its end: empty, or `/mesh`.
    prefix: String,
}

impl BaseUrl {
    /// Parses a URL; `field` names the setting in the error, which never repeats the URL.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, ServiceError> {
        let fault = |what: &str| {
            let violation = Violation::new(field, what);
            ServiceError::Validation(violation.into()).with_effect(Effect::None)
        };
        let url = Url::parse(text).map_err(|error| fault(&error.to_string()))?;
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(fault("expected the scheme http or https")),
        };
        if scheme == Scheme::HTTPS && !cfg!(feature = "rustls") {
            return Err(fault("https needs the feature `rustls`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("expected no credentials in the URL"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fault("expected no query and no fragment"));
        }
        let uri =
            Uri::try_from(url.as_str()).map_err(|_| fault("expected a URL that HTTP can carry"))?;
        let authority = uri.authority().ok_or_else(|| fault("empty host"))?;
        Ok(Self {
            scheme,
            authority: authority.clone(),
            port: url.port_or_known_default().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn host(&self) -> &str {
        self.authority.host()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of a command. Both names are valid by construction, so it stays below this URL.
    pub(crate) fn command(
        &self,
        target: &ServiceName,
        endpoint: &EndpointName,
    ) -> Result<Address, ServiceError> {
        let text = format!("{self}/api/v1/{target}/{endpoint}");
        let fault = || {
            let violation = Violation::new("base_url", "expected a URL that HTTP can carry");
            ServiceError::Validation(violation.into()).with_effect(Effect::None)
        };
        let url = Url::parse(&text).map_err(|error| fault().with_source(error))?;
        let uri = Uri::try_from(text).map_err(|error| fault().with_source(error))?;
        Ok(Address { uri, url })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uri(base: &str) -> String {
        let base = BaseUrl::parse("base_url", base).unwrap();
        let target = "feed-service".parse().unwrap();
        let endpoint = "feeds/get".parse().unwrap();
        let address = base.command(&target, &endpoint).unwrap();
        assert_eq!(address.uri.to_string(), address.url.as_str());
        address.uri.to_string()
    }

    #[test]
    fn a_prefix_and_a_port_stay_and_a_trailing_slash_goes() {
        assert_eq!(uri("http://h:80"), "http://h/api/v1/feed-service/feeds/get");
        assert_eq!(
            uri("http://h:8080/"),
            "http://h:8080/api/v1/feed-service/feeds/get"
        );
        assert_eq!(
            uri("http://[::1]:1/mesh/"),
            "http://[::1]:1/mesh/api/v1/feed-service/feeds/get"
        );
    }

    #[test]
    fn a_fault_is_named_and_the_url_is_not_repeated() {
        let faults = [
            ("localhost", "relative URL without a base"),
            ("", "relative URL without a base"),
            ("http://", "empty host"),
            ("http://h:99999", "invalid port number"),
            ("ftp://h", "expected the scheme http or https"),
            (
                "http://admin:hunter2@h",
                "expected no credentials in the URL",
            ),
            ("http://hunter2@h", "expected no credentials in the URL"),
            ("http://h/?key=hunter2", "expected no query and no fragment"),
            ("http://admin:hunter2@h:x", "invalid port number"),
        ];
        for (url, fault) in faults {
            let error = BaseUrl::parse("base_url", url).unwrap_err();
            assert_eq!(error.violations()[0].field, "base_url");
            assert_eq!(error.violations()[0].message, fault, "{url}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn no_pair_of_names_leaves_the_host_or_the_prefix(target in ".{0,20}", endpoint in ".{0,40}") {
            let base = BaseUrl::parse("base_url", "http://h:8080/mesh").unwrap();
            if let (Ok(target), Ok(endpoint)) = (target.parse(), endpoint.parse()) {
                let Address { uri, url } = base.command(&target, &endpoint).unwrap();
                prop_assert_eq!(uri.to_string(), url.as_str());
                prop_assert_eq!(url.host_str(), Some("h"));
                prop_assert_eq!(url.port(), Some(8080));
                prop_assert_eq!(url.path(), format!("/mesh/api/v1/{target}/{endpoint}"));
            }
        }
    }
}
