use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::CommandKey;

/// The commands with a key that run in this process now; as many as there are requests.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<CommandKey>>>);

/// A command that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    all: InFlight,
    key: CommandKey,
}

impl InFlight {
    /// `None` where the key is in flight already.
    pub(super) fn enter(&self, key: CommandKey) -> Option<Entered> {
        let is_new = self.lock().insert(key);
        is_new.then(|| Entered {
            all: self.clone(),
            key,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<CommandKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
    }
}
