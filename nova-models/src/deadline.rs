use std::time::{Duration, Instant};

/// The moment after which nobody waits for the answer any more.
///
/// The clock is an argument, so that tests can stop it: under tokio it is
/// `tokio::time::Instant::now().into_std()`.
///
/// ```
/// use std::time::{Duration, Instant};
/// use nova_models::Deadline;
///
/// let now = Instant::now();
/// let deadline = Deadline::after(now, Duration::from_secs(2));
/// assert_eq!(deadline.left(now), Duration::from_secs(2));
/// assert!(deadline.is_over(now + Duration::from_secs(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The longest time ahead: what is more counts as this. 24 hours.
    pub const MAX: Duration = Duration::from_secs(24 * 60 * 60);

    /// The deadline at `instant`.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The deadline `left` from `now`, at most [`MAX`](Self::MAX).
    #[must_use]
    pub fn after(now: Instant, left: Duration) -> Self {
        Self(now + left.min(Self::MAX))
    }

    /// The moment.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What is left at `now`; zero when it is over.
    #[must_use]
    pub fn left(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether nothing is left at `now`.
    #[must_use]
    pub fn is_over(self, now: Instant) -> bool {
        self.left(now).is_zero()
    }

    /// The earlier of two deadlines.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }
}
