use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::Key;
use tokio::time::Instant;

use crate::atomic_word::OwnLine;
use crate::circuit_breaker::{Circuit, CircuitBreaker};
use crate::telemetry::set_gauge;

/// An endpoint with all that is known of it.
#[derive(Debug)]
pub(crate) struct Member<E> {
    pub(crate) endpoint: E,
    pub(crate) circuit: Circuit,
    finished: OwnLine<AtomicU64>,
    /// The gauge that shows the circuit's state.
    gauge: Option<Key>,
}

impl<E> Member<E> {
    pub(crate) fn new(endpoint: E, breaker: CircuitBreaker, gauge: Option<Key>) -> Self {
        Self {
            endpoint,
            circuit: Circuit::new(breaker),
            finished: OwnLine(AtomicU64::new(0)),
            gauge,
        }
    }

    /// Lets its circuit say in the log whose it is.
    pub(crate) fn named(self, name: String) -> Self {
        Self {
            circuit: self.circuit.named(name),
            ..self
        }
    }

    pub(super) fn finish(&self) {
        self.finished.0.fetch_add(1, Relaxed);
    }

    /// The attempts that were let through.
    pub(crate) fn attempts(self: &Arc<Self>) -> u64 {
        self.finished.0.load(Relaxed) + self.in_flight()
    }

    /// The attempts that are not answered yet.
    pub(crate) fn in_flight(self: &Arc<Self>) -> u64 {
        // Each holds a reference, and one is the layer's: a count of its own would only be the same once more.
        Arc::strong_count(self).saturating_sub(1) as u64
    }

    /// Shows the circuit's state, after what may have changed it.
    pub(super) fn publish(&self, now: Instant) {
        let Some(gauge) = &self.gauge else {
            return;
        };
        let mut state = self.circuit.breaker_state(now);
        loop {
            set_gauge(gauge, state.level());
            // Another thread may have changed it, and shown that, in the meantime; what is shown last has to be right.
            let after = self.circuit.breaker_state(now);
            if after == state {
                return;
            }
            state = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use metrics::{
        Counter, Gauge, GaugeFn, Histogram, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;
    use crate::balance::in_flight::InFlight;
    use crate::circuit_breaker::Outcome;

    type Event = Box<dyn FnOnce() + Send>;

    /// A gauge before whose first value is stored something happens.
    #[derive(Default)]
    struct Shown {
        value: Mutex<f64>,
        before: Mutex<Option<Event>>,
    }

    impl GaugeFn for Shown {
        fn increment(&self, _: f64) {}

        fn decrement(&self, _: f64) {}

        fn set(&self, value: f64) {
            let before = self.before.lock().unwrap().take();
            if let Some(before) = before {
                before();
            }
            *self.value.lock().unwrap() = value;
        }
    }

    struct Gauges(Arc<Shown>);

    impl Recorder for Gauges {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Arc::clone(&self.0))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn of_threads_that_show_the_state_at_once_the_last_one_shows_what_it_is() {
        let breaker = CircuitBreaker::standard().min_calls(2);
        let gauge = Some(Key::from_static_name("state"));
        let member = Arc::new(Member::new((), breaker, gauge));
        let now = Instant::now();
        let fail = move |member: &Arc<Member<()>>| {
            let attempt = InFlight::begin(member, now).unwrap();
            attempt.settle(Outcome::Failure, now);
        };
        let shown = Arc::new(Shown::default());
        let opened_by_another = Arc::clone(&member);
        *shown.before.lock().unwrap() = Some(Box::new(move || fail(&opened_by_another)));
        metrics::with_local_recorder(&Gauges(Arc::clone(&shown)), || fail(&member));
        assert!(!member.circuit.admits_at(now));
        assert_eq!(*shown.value.lock().unwrap(), 2.0);
    }
}
