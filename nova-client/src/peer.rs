use std::borrow::Cow;
use std::fmt;

use nova_errors::ServiceError;
use nova_models::{EndpointName, ServiceName};

use crate::address::Address;
use crate::base_url::BaseUrl;
use crate::memo::Memo;
use crate::telemetry::Server;

/// An endpoint of a target: where it is, and how metrics name it.
pub(crate) struct Peer {
    url: BaseUrl,
    server: Server,
    commands: Option<Commands>,
}

/// The addresses of one target's commands: to put one together takes longer than all else that an attempt does.
struct Commands {
    target: ServiceName,
    addresses: Memo<EndpointName, Result<Address, ServiceError>>,
}

impl Peer {
    /// How many addresses are kept, about; the others are put together each time.
    const ADDRESSES: usize = 64;

    pub(crate) fn new(url: BaseUrl) -> Self {
        // The brackets of an IPv6 address belong to the URL.
        let host = url.host().trim_matches(['[', ']']);
        let server = Server::new(host, url.port());
        Self {
            url,
            server,
            commands: None,
        }
    }

    /// One that keeps the addresses of the target's commands.
    pub(crate) fn of_target(url: BaseUrl, target: ServiceName) -> Self {
        let commands = Some(Commands {
            target,
            addresses: Memo::new(Self::ADDRESSES),
        });
        Self {
            commands,
            ..Self::new(url)
        }
    }

    pub(crate) fn url(&self) -> &BaseUrl {
        &self.url
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The address of a command at this endpoint.
    pub(crate) fn address(
        &self,
        target: &ServiceName,
        endpoint: &EndpointName,
    ) -> Result<Cow<'_, Address>, ServiceError> {
        let make = || self.url.command(target, endpoint);
        let commands = self.commands.as_ref();
        let kept = commands
            .filter(|commands| commands.target == *target)
            .and_then(|commands| commands.addresses.get_or_make(endpoint, make));
        match kept {
            Some(Ok(address)) => Ok(Cow::Borrowed(address)),
            Some(Err(error)) => Err(error.clone()),
            None => make().map(Cow::Owned),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        let url = BaseUrl::parse("base_url", "http://h:8080/mesh").unwrap();
        Peer::of_target(url, "feed-service".parse().unwrap())
    }

    #[test]
    fn an_address_that_is_kept_is_the_one_that_would_be_made() {
        let peer = peer();
        for target in ["feed-service", "other-service"] {
            let target = target.parse().unwrap();
            for number in 0..200 {
                let endpoint = format!("feeds/{number}").parse().unwrap();
                let made = peer.url.command(&target, &endpoint).unwrap();
                for _ in 0..2 {
                    let address = peer.address(&target, &endpoint).unwrap();
                    assert_eq!(address.uri, made.uri);
                    assert_eq!(address.url, made.url);
                }
            }
        }
    }

    #[test]
    fn the_addresses_of_another_target_are_not_kept() {
        let peer = peer();
        let endpoint = "feeds/get".parse().unwrap();
        let own = "feed-service".parse().unwrap();
        let other = "other-service".parse().unwrap();
        let address = |target| peer.address(target, &endpoint).unwrap();
        assert!(matches!(address(&own), Cow::Borrowed(_)));
        assert!(matches!(address(&other), Cow::Owned(_)));
    }
}
