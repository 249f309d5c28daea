use metrics::Counter;

/// `nova_auth_cache_requests_total` by outcome.
pub(crate) struct CacheMetrics {
    pub(crate) hit: Counter,
    pub(crate) refused: Counter,
    pub(crate) miss: Counter,
}

impl CacheMetrics {
    /// Counts for the recorder that is installed now.
    pub(crate) fn new() -> Self {
        let counter =
            |outcome| metrics::counter!("nova_auth_cache_requests_total", "outcome" => outcome);
        Self {
            hit: counter("hit"),
            refused: counter("refused"),
            miss: counter("miss"),
        }
    }
}
