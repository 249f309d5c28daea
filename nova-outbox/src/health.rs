use std::sync::atomic::{AtomicBool, Ordering};

use nova_errors::ServiceError;

/// What a relay knows of its own state, for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct RelayHealth {
    runs: AtomicBool,
    store_fails: AtomicBool,
    broker_fails: AtomicBool,
}

impl RelayHealth {
    /// Says that the relay runs until the guard is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.runs.store(true, Ordering::Relaxed);
        Running(self)
    }

    pub(crate) fn store_answers(&self, answers: bool) {
        self.store_fails.store(!answers, Ordering::Relaxed);
    }

    pub(crate) fn broker_answers(&self, answers: bool) {
        self.broker_fails.store(!answers, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<(), ServiceError> {
        let wrong = if !self.runs.load(Ordering::Relaxed) {
            "outbox relay does not run"
        } else if self.store_fails.load(Ordering::Relaxed) {
            "outbox relay cannot use its database"
        } else if self.broker_fails.load(Ordering::Relaxed) {
            "outbox relay cannot reach the broker"
        } else {
            return Ok(());
        };
        Err(ServiceError::ServiceUnavailable(wrong.into()))
    }
}

/// See [`RelayHealth::running`].
pub(crate) struct Running<'a>(&'a RelayHealth);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.runs.store(false, Ordering::Relaxed);
    }
}
