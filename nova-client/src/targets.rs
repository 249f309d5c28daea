use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use metrics::{Key, Label};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::ServiceName;
use tokio::sync::Semaphore;

use crate::balance::{BalanceLayer, Member};
use crate::base_url::BaseUrl;
use crate::circuit_breaker::CircuitBreaker;
use crate::endpoints::Endpoints;
use crate::memo::Memo;
use crate::peer::Peer;
use crate::retry::Account;
use crate::settings::Settings;

/// What a client knows of each target, found without a lock.
///
/// Targets with URLs of their own are there from the start. For those at the base URL there is room for some 256: names may come from
/// outside, and nothing that grows with them may be unbounded. The targets that find no place share one state.
pub(crate) struct Targets {
    own: BTreeMap<ServiceName, Target>,
    at_base: Option<AtBase>,
    settings: Settings,
}

/// The targets at the base URL.
struct AtBase {
    url: BaseUrl,
    named: Memo<ServiceName, Target>,
    rest: Target,
}

/// The state of one target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) account: Arc<Account>,
    pub(crate) permits: Option<Arc<Semaphore>>,
    pub(crate) concurrency_limit: Option<usize>,
    pub(crate) balance: BalanceLayer<Arc<Peer>>,
}

impl Targets {
    pub(crate) fn new(endpoints: Endpoints, settings: Settings) -> Self {
        let own = endpoints.by_target.into_iter().map(|(name, urls)| {
            let target = Target::new(Some(&name), &urls, settings);
            (name, target)
        });
        Self {
            own: own.collect(),
            at_base: endpoints.fallback.map(|url| AtBase::new(url, settings)),
            settings,
        }
    }

    pub(crate) fn get(&self, name: &ServiceName) -> Result<&Target, ServiceError> {
        if let Some(target) = self.own.get(name) {
            return Ok(target);
        }
        match &self.at_base {
            Some(at_base) => Ok(at_base.get(name, self.settings)),
            None => {
                let violation = Violation::new("target", format!("no URL is known for {name}"));
                Err(ServiceError::Validation(violation.into()).with_effect(Effect::None))
            }
        }
    }

    /// The targets with a state, by name; without one the state that several share.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<&ServiceName>, &Target)> {
        let own = self.own.iter().map(|(name, target)| (Some(name), target));
        let at_base = self.at_base.iter().flat_map(AtBase::iter);
        own.chain(at_base)
    }
}

impl AtBase {
    const PLACES: usize = 256;

    fn new(url: BaseUrl, settings: Settings) -> Self {
        let urls = std::slice::from_ref(&url);
        Self {
            named: Memo::new(Self::PLACES),
            rest: Target::new(None, urls, settings),
            url,
        }
    }

    fn get(&self, name: &ServiceName, settings: Settings) -> &Target {
        let urls = std::slice::from_ref(&self.url);
        let make = || Target::new(Some(name), urls, settings);
        self.named.get_or_make(name, make).unwrap_or(&self.rest)
    }

    fn iter(&self) -> impl Iterator<Item = (Option<&ServiceName>, &Target)> {
        let named = self.named.iter().map(|(name, target)| (Some(name), target));
        named.chain([(None, &self.rest)])
    }
}

impl Target {
    fn new(name: Option<&ServiceName>, urls: &[BaseUrl], settings: Settings) -> Self {
        let breaker = settings.breaker.unwrap_or(CircuitBreaker::NEVER);
        let members = urls.iter().map(|url| {
            let peer = match name {
                Some(name) => Peer::of_target(url.clone(), name.clone()),
                None => Peer::new(url.clone()),
            };
            let mut labels = Vec::from(peer.server().labels());
            let target = name.map_or("other", ServiceName::as_str);
            labels.push(Label::new("target", target.to_owned()));
            let gauge = Key::from_parts("nova_client_breaker_state", labels);
            Member::new(Arc::new(peer), breaker, Some(gauge)).named(format!("{target} at {url}"))
        });
        let limit = settings.concurrency_limit;
        Self {
            account: Arc::new(Account::of_target(settings.budget, name)),
            permits: limit.map(|limit| Arc::new(Semaphore::new(limit))),
            concurrency_limit: limit,
            balance: BalanceLayer::of(members),
        }
    }

    fn urls(&self) -> Vec<&BaseUrl> {
        let members = self.balance.members().iter();
        members.map(|member| member.endpoint.url()).collect()
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own.iter().map(|(name, target)| (name, target.urls()));
        f.debug_struct("Targets")
            .field("endpoints", &own.collect::<BTreeMap<_, _>>())
            .field(
                "base_url",
                &self.at_base.as_ref().map(|at_base| &at_base.url),
            )
            .field("settings", &self.settings)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ServiceName {
        format!("service-{number}").parse().unwrap()
    }

    #[test]
    fn a_target_keeps_its_state_and_too_many_share_one() {
        let mut endpoints = Endpoints::default();
        endpoints.set_fallback(BaseUrl::parse("base_url", "http://peer").unwrap());
        let own = BaseUrl::parse("endpoint", "http://own").unwrap();
        endpoints.insert(name(10_000), vec![own]).unwrap();
        let settings = Settings::default();
        let targets = Targets::new(endpoints, settings);
        let get = |number| std::ptr::from_ref(targets.get(&name(number)).unwrap());
        let first = get(0);
        let rest = std::ptr::from_ref(&targets.at_base.as_ref().unwrap().rest);
        let shared = (0..10_000).filter(|number| get(*number) == rest).count();
        assert!(shared >= 10_000 - AtBase::PLACES);
        assert_eq!(get(0), first);
        assert_ne!(get(0), rest);
        assert_ne!(
            get(10_000),
            rest,
            "one with a URL of its own always has a state"
        );
    }
}
