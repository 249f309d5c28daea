use metrics::{Key, Level, Metadata};

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

// A handle belongs to the recorder that made it, and another may be installed any time. So keys are kept, which have their labels and their
// hash ready, and the recorder is asked each time.

pub(crate) fn set_gauge(key: &Key, value: f64) {
    metrics::with_recorder(|recorder| recorder.register_gauge(key, &METADATA).set(value));
}

pub(crate) fn add_one(key: &Key) {
    metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
}

pub(super) fn record(key: &Key, value: f64) {
    metrics::with_recorder(|recorder| recorder.register_histogram(key, &METADATA).record(value));
}
