use std::sync::{Mutex, MutexGuard, PoisonError};

use nova_errors::ServiceError;

/// The dead letters that failed to be published and are still tried.
#[derive(Debug, Default)]
pub(super) struct StuckLetters(Mutex<Stuck>);

#[derive(Debug, Default)]
struct Stuck {
    letters: usize,
    last: Option<ServiceError>,
}

impl StuckLetters {
    /// What failed last, while a letter is stuck.
    pub(super) fn check(&self) -> Result<(), ServiceError> {
        self.lock().last.clone().map_or(Ok(()), |failure| {
            let error = ServiceError::ServiceUnavailable("dead letters".into());
            Err(error.with_source(failure))
        })
    }

    /// Watches a letter, until what is returned is dropped.
    pub(super) fn watch(&self) -> Watched<'_> {
        Watched {
            all: self,
            stuck: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stuck> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A letter that is being published. It is stuck from its first failure on.
pub(super) struct Watched<'a> {
    all: &'a StuckLetters,
    stuck: bool,
}

impl Watched<'_> {
    pub(super) fn failed(&mut self, failure: &ServiceError) {
        let mut all = self.all.lock();
        all.letters += usize::from(!self.stuck);
        all.last = Some(failure.clone());
        self.stuck = true;
    }
}

impl Drop for Watched<'_> {
    /// Acknowledged, or given up by a drain or a cancellation.
    fn drop(&mut self) {
        if self.stuck {
            let mut all = self.all.lock();
            all.letters -= 1;
            if all.letters == 0 {
                all.last = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_fails_until_no_letter_is_stuck() {
        let stuck = StuckLetters::default();
        let failure = ServiceError::Timeout("Kafka".into());
        let (mut one, mut other) = (stuck.watch(), stuck.watch());
        assert!(stuck.check().is_ok());
        one.failed(&failure);
        one.failed(&failure);
        other.failed(&failure);
        drop(one);
        assert!(stuck.check().is_err());
        drop(other);
        assert!(stuck.check().is_ok());
    }
}
