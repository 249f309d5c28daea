use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// How many proxies stand between the clients and this service, each of which appends the address of its own peer to `X-Forwarded-For`.
///
/// Whoever connects can write anything into that header; only what the own proxies appended, from the right, is true. With none, the default, the header is not read and the client is
/// who connected. With `n`, it is the `n`-th address from the right. That holds only where nobody reaches the service around the proxies.
///
/// ```
/// use nova_service::TrustedProxies;
///
/// let balancer = "10.0.0.1".parse()?;
/// let header = ["6.6.6.6, 203.0.113.7"]; // the first was made up by the client
/// let client = TrustedProxies::hops(1).client(balancer, header);
/// assert_eq!(client.to_string(), "203.0.113.7");
/// assert_eq!(TrustedProxies::NONE.client(balancer, header), balancer);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrustedProxies(usize);

impl TrustedProxies {
    /// No proxy: the client is who connected.
    pub const NONE: Self = Self(0);

    /// That many proxies in a row.
    #[must_use]
    pub const fn hops(hops: usize) -> Self {
        Self(hops)
    }

    /// The client of a connection from `peer` with these values of `X-Forwarded-For`, in their order. Where they are too few, or the one that counts is no address, it is
    /// `peer`: the request did not come through the proxies.
    #[must_use]
    pub fn client<'a, I>(self, peer: IpAddr, forwarded_for: I) -> IpAddr
    where
        I: IntoIterator<Item = &'a str, IntoIter: DoubleEndedIterator>,
    {
        let Some(from_right) = self.0.checked_sub(1) else {
            return peer;
        };
        let mut hops = forwarded_for
            .into_iter()
            .rev()
            .flat_map(|value| value.rsplit(','));
        hops.nth(from_right).and_then(parse).unwrap_or(peer)
    }
}

/// Some proxies write the port too.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop
        .strip_prefix('[')
        .and_then(|hop| hop.strip_suffix(']'))
        .unwrap_or(hop);
    let with_port = || Some(hop.parse::<SocketAddr>().ok()?.ip());
    bare.parse().ok().or_else(with_port)
}

/// Which client an address stands for, as the key of a limit: an IPv4 address itself, but of an IPv6 address its first 64 bits, since a single client has all addresses that
/// begin with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(hops: usize, values: &[&str]) -> String {
        let peer = "10.0.0.1".parse().unwrap();
        let values = values.iter().copied();
        TrustedProxies::hops(hops).client(peer, values).to_string()
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        let forged = ["6.6.6.6, 7.7.7.7", "203.0.113.7,10.0.0.2"];
        assert_eq!(client(0, &forged), "10.0.0.1");
        assert_eq!(client(1, &forged), "10.0.0.2");
        assert_eq!(client(2, &forged), "203.0.113.7");
    }

    #[test]
    fn a_header_that_the_proxies_did_not_write_leaves_the_peer() {
        for values in [&[][..], &[""], &["unknown"], &["6.6.6.6,"], &["a,b c"]] {
            assert_eq!(client(1, values), "10.0.0.1", "{values:?}");
        }
        assert_eq!(client(2, &["203.0.113.7"]), "10.0.0.1");
        assert_eq!(client(usize::MAX, &["203.0.113.7"]), "10.0.0.1");
    }

    #[test]
    fn addresses_may_have_ports_and_brackets() {
        assert_eq!(client(1, &["203.0.113.7:4711"]), "203.0.113.7");
        assert_eq!(client(1, &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(1, &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client(1, &[" 2001:db8::1 "]), "2001:db8::1");
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let key = |address: &str| ClientAddress::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(key("::ffff:203.0.113.7"), key("203.0.113.7"));
        assert_ne!(key("203.0.113.8"), key("203.0.113.7"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }
}
