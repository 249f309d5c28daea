use tokio::time::Instant;

use super::TargetStats;
use crate::targets::Targets;

/// A client's targets at a moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClientStats {
    /// The targets that were called, in no particular order.
    pub targets: Vec<TargetStats>,
}

impl ClientStats {
    pub(crate) fn of(targets: &Targets) -> Self {
        let now = Instant::now();
        let targets = targets
            .iter()
            .map(|(name, target)| TargetStats::of(name, target, now))
            .filter(TargetStats::was_called);
        Self {
            targets: targets.collect(),
        }
    }

    pub(crate) fn empty() -> Self {
        Self {
            targets: Vec::new(),
        }
    }

    /// What is known of one target; `None` where it was not called.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetStats> {
        self.targets.iter().find(|target| target.target == name)
    }
}
