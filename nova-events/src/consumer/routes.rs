use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use nova_errors::ServiceError;

use super::handler::Handler;
use crate::DomainEvent;
use crate::field::{check_name, refused};

/// Which handler runs for which event type; aliases lead to the same one.
#[derive(Clone, Default)]
pub(crate) struct Routes(HashMap<&'static str, Route>);

/// A handler, and the name of its event type that metrics show.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) event_type: &'static str,
    pub(crate) handler: Arc<dyn Handler>,
}

impl Routes {
    pub(crate) fn add<T: DomainEvent>(
        &mut self,
        handler: impl Handler + 'static,
    ) -> Result<(), ServiceError> {
        let route = Route {
            event_type: T::EVENT_TYPE,
            handler: Arc::new(handler),
        };
        for name in [T::EVENT_TYPE].iter().chain(T::ALIASES) {
            check_name("on.event_type", name)?;
            match self.0.entry(*name) {
                Entry::Vacant(vacant) => vacant.insert(route.clone()),
                Entry::Occupied(_) => {
                    return Err(refused("on", format!("{name} is registered twice")));
                }
            };
        }
        Ok(())
    }

    pub(crate) fn get(&self, event_type: &str) -> Option<&Route> {
        self.0.get(event_type)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
