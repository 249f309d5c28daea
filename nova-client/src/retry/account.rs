use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::{Key, Label};
use nova_models::ServiceName;
use tokio::time::Instant;

use super::{Ledger, RetryBudget};
use crate::telemetry::{add_one, set_gauge};

/// What the calls to one target share: the budget, and the counts of what became of them.
#[derive(Debug, Default)]
pub(crate) struct Account {
    ledger: Option<Ledger>,
    retries: AtomicU64,
    denied: AtomicU64,
    rejected: AtomicU64,
    metrics: Option<Metrics>,
}

#[derive(Debug)]
struct Metrics {
    retries: Key,
    level: Key,
}

impl Account {
    pub(crate) fn new(budget: Option<RetryBudget>) -> Self {
        Self {
            ledger: budget.map(Ledger::new),
            ..Self::default()
        }
    }

    /// An account that is shown under the name of its target; `None` for the one that several share.
    pub(crate) fn of_target(budget: Option<RetryBudget>, target: Option<&ServiceName>) -> Self {
        let target = target.map_or("other", ServiceName::as_str);
        let key = |name| Key::from_parts(name, vec![Label::new("target", target.to_owned())]);
        Self {
            metrics: Some(Metrics {
                retries: key("nova_client_retries_total"),
                level: key("nova_client_budget_level"),
            }),
            ..Self::new(budget)
        }
    }

    /// A call reached the target, and pays for a part of a retry.
    pub(super) fn pay(&self, now: Instant) {
        let Some(ledger) = &self.ledger else {
            return;
        };
        // What is full stays as it was shown.
        if !ledger.is_full() {
            ledger.deposit();
            self.show_level(ledger, now);
        }
    }

    /// Takes a retry; `false` where none is left.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let granted = self.ledger.as_ref().is_none_or(|ledger| {
            let granted = ledger.withdraw(now);
            self.show_level(ledger, now);
            granted
        });
        match &self.metrics {
            Some(metrics) if granted => add_one(&metrics.retries),
            _ => {}
        }
        if !granted {
            self.denied.fetch_add(1, Relaxed);
        }
        granted
    }

    /// A retry that was granted was not made after all.
    pub(super) fn give_back(&self, now: Instant) {
        if let Some(ledger) = &self.ledger {
            ledger.give_back();
            self.show_level(ledger, now);
        }
    }

    /// An attempt begins.
    pub(super) fn attempt(&self, number: u32) {
        if number > 1 {
            self.retries.fetch_add(1, Relaxed);
        }
    }

    /// The attempt was turned away by the circuits.
    pub(super) fn reject(&self, number: u32) {
        self.rejected.fetch_add(1, Relaxed);
        if number > 1 {
            self.retries.fetch_sub(1, Relaxed);
        }
    }

    fn show_level(&self, ledger: &Ledger, now: Instant) {
        if let Some(metrics) = &self.metrics {
            set_gauge(&metrics.level, ledger.level(now));
        }
    }

    /// The retries that are left, in parts of one too; `None` without a budget.
    pub(crate) fn level(&self, now: Instant) -> Option<f64> {
        self.ledger.as_ref().map(|ledger| ledger.level(now))
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    pub(crate) fn denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Relaxed)
    }
}
