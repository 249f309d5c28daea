use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// The current time in microseconds: what PostgreSQL stores and the event headers carry, so that a
/// time compares equal after a round trip.
#[must_use]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Now, or just after `last` where another machine's clock is ahead of this one's: the times of one
/// row's changes rise in the order of its lock.
#[must_use]
pub fn now_after(last: DateTime<Utc>) -> DateTime<Utc> {
    let next = last.checked_add_signed(TimeDelta::microseconds(1));
    now().max(next.unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_later_than_the_last_one_whatever_the_clock_says() {
        let ahead = now() + TimeDelta::hours(1);
        assert_eq!(now_after(ahead), ahead + TimeDelta::microseconds(1));
        let behind = now() - TimeDelta::hours(1);
        assert!(now_after(behind) > behind + TimeDelta::minutes(59));
        assert_eq!(
            now_after(DateTime::<Utc>::MAX_UTC),
            DateTime::<Utc>::MAX_UTC
        );
    }
}
