use std::fmt;

use nova_events::murmur2;

/// A share of the aggregates: the unit of ownership between relays.
///
/// There are [`COUNT`](Self::COUNT) of them, for good, so that mixed versions agree: murmur2 (the
/// Kafka clients') of the aggregate type, a zero byte and the aggregate id, as a non-negative
/// number, modulo 64.
///
/// ```
/// use nova_outbox::Bucket;
///
/// assert_eq!(Bucket::of("content", "post-1"), Bucket::of("content", "post-1"));
/// assert!(Bucket::of("content", "post-1").number() < Bucket::COUNT);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(i16);

impl Bucket {
    /// How many buckets there are.
    pub const COUNT: i16 = 64;

    /// The bucket of an aggregate.
    #[must_use]
    pub fn of(aggregate_type: &str, aggregate_id: &str) -> Self {
        let mut key = Vec::with_capacity(aggregate_type.len() + 1 + aggregate_id.len());
        key.extend_from_slice(aggregate_type.as_bytes());
        key.push(0);
        key.extend_from_slice(aggregate_id.as_bytes());
        let hash = murmur2(&key) & i32::MAX;
        let number = hash % i32::from(Self::COUNT);
        Self(i16::try_from(number).unwrap_or_default())
    }

    /// The bucket of that number; `None` where there is no such bucket.
    #[must_use]
    pub fn new(number: i16) -> Option<Self> {
        (0..Self::COUNT).contains(&number).then_some(Self(number))
    }

    /// Every bucket, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The number, from 0.
    #[must_use]
    pub const fn number(self) -> i16 {
        self.0
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_part_of_the_contract() {
        let buckets = [
            ("content", "0192f0c1-0000-7000-8000-000000000001"),
            ("identity", "0192f0c1-0000-7000-8000-000000000001"),
            ("social", "a"),
            ("a", "b\u{e4}"),
        ]
        .map(|(kind, id)| Bucket::of(kind, id).number());
        assert_eq!(buckets, [29, 48, 31, 37]);
    }

    #[test]
    fn the_zero_byte_keeps_type_and_id_apart() {
        let joined = |kind, id| murmur2(format!("{kind}\0{id}").as_bytes()) & i32::MAX;
        for (kind, id) in [("ab", "c"), ("a", "bc")] {
            let expected = joined(kind, id) % 64;
            assert_eq!(i32::from(Bucket::of(kind, id).number()), expected);
        }
    }

    #[test]
    fn the_buckets_share_evenly() {
        let mut counts = [0_u32; 64];
        for id in 0..64_000 {
            let number = Bucket::of("content", &format!("post-{id}")).number();
            counts[usize::try_from(number).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)));
    }
}
