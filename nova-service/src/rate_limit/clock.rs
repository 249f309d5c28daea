use governor::clock::Clock;
use governor::nanos::Nanos;
use tokio::time::Instant;

/// The clock of tokio, which tests can pause.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokioClock {
    epoch: Instant,
}

impl TokioClock {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        u64::try_from(self.epoch.elapsed().as_nanos())
            .unwrap_or(u64::MAX)
            .into()
    }
}
