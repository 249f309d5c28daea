use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nova_errors::{ErrorKind, Origin, ServiceError};

/// Whether the consumer is in its group, and what is wrong with its connection, if anything.
#[derive(Debug, Default)]
pub(super) struct ConsumerHealth {
    joined: AtomicBool,
    problem: Mutex<Option<Problem>>,
}

#[derive(Debug)]
struct Problem {
    error: ServiceError,
    reported: Instant,
}

impl ConsumerHealth {
    /// The client repeats what is wrong with a topic or the group; after this time without, it is well.
    const REPEATS_WITHIN: Duration = Duration::from_secs(30);

    pub(super) fn check(&self) -> Result<(), ServiceError> {
        match &*self.lock() {
            Some(problem) if problem.is_outage() => Err(problem.error.clone()),
            Some(problem) if problem.reported.elapsed() < Self::REPEATS_WITHIN => {
                Err(problem.error.clone())
            }
            _ if !self.joined.load(Ordering::Relaxed) => Err(ServiceError::ServiceUnavailable(
                "not in the group yet".into(),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn report(&self, error: ServiceError) {
        *self.lock() = Some(Problem {
            error,
            reported: Instant::now(),
        });
    }

    /// The group works, so all does.
    pub(super) fn is_well(&self) {
        self.joined.store(true, Ordering::Relaxed);
        *self.lock() = None;
    }

    /// A broker answers: an outage is over.
    pub(super) fn is_connected(&self) {
        self.lock().take_if(|problem| problem.is_outage());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Problem>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Problem {
    /// The client reports an outage once, when it begins.
    fn is_outage(&self) -> bool {
        self.error.kind() == ErrorKind::ServiceUnavailable
            && self.error.origin() == Origin::Transport
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

    fn reported(code: Code) -> ConsumerHealth {
        let health = ConsumerHealth::default();
        health.is_well();
        health.report(KafkaError::MessageConsumption(code).into());
        health
    }

    #[test]
    fn a_broker_that_answers_ends_an_outage_and_brings_no_topic() {
        let outage = reported(Code::AllBrokersDown);
        assert!(outage.check().is_err());
        outage.is_connected();
        assert!(outage.check().is_ok());

        let missing = reported(Code::UnknownTopicOrPartition);
        missing.is_connected();
        assert!(missing.check().is_err());
    }
}
