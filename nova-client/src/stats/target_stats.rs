use nova_models::ServiceName;
use tokio::time::Instant;

use super::EndpointStats;
use crate::targets::Target;

/// A target at a moment. Counts are of the client's life and are not read at one instant, so that they may be a call apart.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TargetStats {
    /// The name of the target; `other` is all those together that found no state of their own, being too many.
    pub target: String,
    /// The calls of which at least one attempt was made.
    pub calls: u64,
    /// The attempts, each call's first one included.
    pub attempts: u64,
    /// The attempts after a call's first one.
    pub retries: u64,
    /// The retries that the budget did not grant.
    pub retries_denied: u64,
    /// The attempts that were turned away because every circuit was open; nothing was sent.
    pub rejections: u64,
    /// The retries that are left in the budget, in parts of one too; `None` without a budget.
    pub retries_available: Option<f64>,
    /// The permits that attempts in flight hold; `None` without a limit.
    pub permits_in_use: Option<usize>,
    /// How many attempts may be in flight.
    pub concurrency_limit: Option<usize>,
    /// The endpoints, in the order in which they were given.
    pub endpoints: Vec<EndpointStats>,
}

impl TargetStats {
    pub(super) fn of(name: Option<&ServiceName>, target: &Target, now: Instant) -> Self {
        let account = &target.account;
        let members = target.balance.members().iter();
        let endpoints: Vec<_> = members
            .map(|member| EndpointStats::of(member, now))
            .collect();
        let attempts: u64 = endpoints.iter().map(|endpoint| endpoint.attempts).sum();
        let retries = account.retries();
        let permits = target.permits.as_ref();
        let free = permits.map(|permits| permits.available_permits());
        Self {
            target: name.map_or("other", ServiceName::as_str).to_owned(),
            calls: attempts.saturating_sub(retries),
            attempts,
            retries,
            retries_denied: account.denied(),
            rejections: account.rejected(),
            retries_available: account.level(now),
            permits_in_use: free
                .zip(target.concurrency_limit)
                .map(|(free, limit)| limit.saturating_sub(free)),
            concurrency_limit: target.concurrency_limit,
            endpoints,
        }
    }

    pub(super) fn was_called(&self) -> bool {
        self.attempts > 0 || self.rejections > 0
    }
}
