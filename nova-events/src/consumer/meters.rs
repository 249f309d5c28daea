use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Histogram};

use super::Outcome;
use crate::{ConsumerGroup, Topic};

/// The metrics of what is handled. They are looked up at the first record of a kind and kept, as a look-up for each record costs more than
/// much of the rest.
pub(crate) struct Meters {
    group: ConsumerGroup,
    known: RwLock<HashMap<Kind, Meter>>,
}

/// The topic stands here as where its name lies, where its meter keeps it: to count its references for each record would make all
/// threads wait for each other.
type Kind = (usize, &'static str, Outcome);

#[derive(Clone)]
struct Meter {
    _topic: Topic,
    handled: Counter,
    took: Histogram,
}

impl Meters {
    pub(crate) fn new(group: ConsumerGroup) -> Self {
        Self {
            group,
            known: RwLock::default(),
        }
    }

    pub(super) fn count(
        &self,
        topic: &Topic,
        event_type: &'static str,
        outcome: Outcome,
        took: Duration,
    ) {
        let kind = (topic.as_ptr().addr(), event_type, outcome);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = known.get(&kind) {
            return meter.count(took);
        }
        drop(known);
        let meter = self.meter(topic.clone(), event_type, outcome);
        meter.count(took);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(kind, meter);
    }

    fn meter(&self, topic: Topic, event_type: &'static str, outcome: Outcome) -> Meter {
        let handled = metrics::counter!(
            "nova_consumer_handled_total",
            "group" => self.group.label(),
            "event_type" => event_type,
            "outcome" => outcome.as_str(),
        );
        let took = metrics::histogram!(
            "messaging.process.duration",
            "messaging.destination.name" => topic.label(),
            "messaging.consumer.group.name" => self.group.label(),
            "event_type" => event_type,
        );
        Meter {
            _topic: topic,
            handled,
            took,
        }
    }
}

impl Meter {
    fn count(&self, took: Duration) {
        self.handled.increment(1);
        self.took.record(took);
    }
}
