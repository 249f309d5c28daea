use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use nova_errors::ServiceError;

use super::handler::Handler;
use super::{Wrap, layered};
use crate::field::{check_name, refused};
use crate::{DomainEvent, IdempotencyStore};

/// Which handler runs for which event type; aliases lead to the same one.
pub(crate) struct Routes(HashMap<&'static str, Route>);

/// A handler, and the name of its event type that metrics show.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) event_type: &'static str,
    pub(crate) handler: Arc<dyn Handler>,
}

/// A store, as what it does and as what it is: a handler in a transaction needs the inbox itself.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) store: Arc<dyn IdempotencyStore>,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        expect(dead_code, reason = "only inboxes are asked for")
    )]
    itself: Arc<dyn Any + Send + Sync>,
}

/// A handler that was registered. What it needs may be set later.
pub(crate) struct Registration {
    event_type: &'static str,
    aliases: &'static [&'static str],
    make: Box<Make>,
}

type Make = dyn FnOnce(Option<&Store>) -> Result<Arc<dyn Handler>, ServiceError> + Send + Sync;

impl Store {
    pub(crate) fn new<S: IdempotencyStore>(store: S) -> Self {
        let store = Arc::new(store);
        Self {
            itself: Arc::clone(&store) as Arc<dyn Any + Send + Sync>,
            store,
        }
    }

    /// The store itself, where it is an `S` or a shared one.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn downcast<S: Clone + Send + Sync + 'static>(&self) -> Option<S> {
        let shared = || Some(S::clone(self.itself.downcast_ref::<Arc<S>>()?));
        self.itself.downcast_ref::<S>().cloned().or_else(shared)
    }
}

impl Registration {
    pub(crate) fn new<T: DomainEvent>(
        make: impl FnOnce(Option<&Store>) -> Result<Arc<dyn Handler>, ServiceError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            event_type: T::EVENT_TYPE,
            aliases: T::ALIASES,
            make: Box::new(make),
        }
    }
}

impl Routes {
    pub(crate) fn new(
        registrations: Vec<Registration>,
        store: Option<&Store>,
        layers: &[Wrap],
    ) -> Result<Self, ServiceError> {
        if registrations.is_empty() {
            return Err(refused("on", "expected at least one handler"));
        }
        let mut routes = HashMap::new();
        for registration in registrations {
            let names = [registration.event_type];
            for name in names.iter().chain(registration.aliases) {
                check_name("on.event_type", name)?;
            }
            let route = Route {
                event_type: registration.event_type,
                handler: layered((registration.make)(store)?, layers),
            };
            for name in names.iter().chain(registration.aliases) {
                match routes.entry(*name) {
                    Entry::Vacant(vacant) => vacant.insert(route.clone()),
                    Entry::Occupied(_) => {
                        return Err(refused("on", format!("{name} is registered twice")));
                    }
                };
            }
        }
        Ok(Self(routes))
    }

    pub(crate) fn get(&self, event_type: &str) -> Option<&Route> {
        self.0.get(event_type)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event_type)
    }
}
