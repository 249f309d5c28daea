use metrics::{IntoF64, Key, Level, Metadata};
use tokio::time::Instant;

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

/// Records the seconds since then. The clock is read only for a recorder that wants them.
pub(super) fn record_since(key: &Key, since: Instant) {
    metrics::with_recorder(|recorder| {
        recorder
            .register_histogram(key, &METADATA)
            .record(Elapsed(since));
    });
}

struct Elapsed(Instant);

impl IntoF64 for Elapsed {
    fn into_f64(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
