use std::time::Duration;

/// The value of a `Retry-After`. Rounded up: who comes back as told must not come too early.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_counts_as_a_whole_one() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1001), 2),
            (Duration::MAX, u64::MAX),
        ];
        for (wait, seconds) in cases {
            assert_eq!(whole_seconds(wait), seconds, "{wait:?}");
        }
    }
}
