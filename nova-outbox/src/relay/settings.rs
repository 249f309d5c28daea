use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;

use nova_errors::{Backoff, ServiceError, Violation};

use super::batch_size::BatchSize;

/// The settings of a relay, within their bounds.
#[derive(Debug, Clone)]
pub(crate) struct RelaySettings {
    pub(crate) source: String,
    pub(crate) batch: u32,
    pub(crate) poll: Duration,
    pub(crate) max_retries: u32,
    pub(crate) backoff: Backoff,
    /// How often the leases are renewed.
    pub(crate) renew: Duration,
    /// How long a lease lasts without renewal.
    pub(crate) lease: Duration,
}

impl RelaySettings {
    const MIN_POLL: Duration = Duration::from_millis(10);
    const MAX_POLL: Duration = Duration::from_secs(60);
    const MAX_RETRIES: u32 = 100;
    const MIN_DELIVERY: Duration = Duration::from_millis(1);
    const MAX_DELIVERY: Duration = Duration::from_secs(3600);

    /// Renewals are no more frequent than this.
    const MIN_RENEW: Duration = Duration::from_secs(1);

    pub(crate) fn new(
        batch: u32,
        poll: Duration,
        max_retries: u32,
        backoff: Backoff,
        delivery_timeout: Duration,
    ) -> Result<Self, ServiceError> {
        within("batch", batch, 1..=BatchSize::MAX)?;
        within("poll", poll, Self::MIN_POLL..=Self::MAX_POLL)?;
        within("max_retries", max_retries, 0..=Self::MAX_RETRIES)?;
        within(
            "delivery_timeout",
            delivery_timeout,
            Self::MIN_DELIVERY..=Self::MAX_DELIVERY,
        )?;
        // A renewal takes the place of every second poll, so that an idle relay makes one query a poll.
        let renew = (poll * 2).max(Self::MIN_RENEW);
        Ok(Self {
            source: String::new(),
            batch,
            poll,
            max_retries,
            backoff,
            renew,
            // When a renewal is due, there is time for another one before nothing can be sent any more.
            lease: delivery_timeout + renew * 2,
        })
    }

    pub(crate) fn batch_len(&self) -> usize {
        usize::try_from(self.batch).unwrap_or(usize::MAX)
    }
}

fn within<T: PartialOrd + Copy + Debug>(
    field: &str,
    value: T,
    bounds: RangeInclusive<T>,
) -> Result<(), ServiceError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (min, max) = bounds.into_inner();
    let expected = format!("expected {min:?} to {max:?}, got {value:?}");
    Err(ServiceError::Validation(
        Violation::new(field, expected).into(),
    ))
}
