use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::OutboxStats;

/// The metrics of a relay. The gauges are of the buckets that it owns: the sum over all relays is the outbox's.
pub(super) struct Gauges {
    pending: Gauge,
    retrying: Gauge,
    dead: Gauge,
    oldest_age: Gauge,
    published: Counter,
    latency: Histogram,
}

impl Gauges {
    /// How often the outbox is counted at most.
    pub(super) const INTERVAL: Duration = Duration::from_secs(5);

    pub(super) fn new(source: String) -> Self {
        Self {
            pending: gauge!("outbox_pending", "source" => source.clone()),
            retrying: gauge!("outbox_retrying", "source" => source.clone()),
            dead: gauge!("outbox_dead", "source" => source.clone()),
            oldest_age: gauge!("outbox_oldest_age_seconds", "source" => source.clone()),
            published: counter!("outbox_published_total", "source" => source.clone()),
            latency: histogram!("outbox_publish_latency_seconds", "source" => source),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(super) fn set(&self, stats: &OutboxStats) {
        self.pending.set(stats.pending as f64);
        self.retrying.set(stats.retrying as f64);
        self.dead.set(stats.dead as f64);
        self.oldest_age
            .set(stats.oldest_age.unwrap_or_default().as_secs_f64());
    }

    /// An event was acknowledged, so long after it was enqueued.
    pub(super) fn published(&self, latency: Duration) {
        self.published.increment(1);
        self.latency.record(latency.as_secs_f64());
    }

    /// An event became a dead letter; the next count says how many there are.
    pub(super) fn buried(&self) {
        self.dead.increment(1.0);
    }
}

/// What a relay that is gone owns: nothing.
impl Drop for Gauges {
    fn drop(&mut self) {
        self.set(&OutboxStats::default());
    }
}
