use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::{Bucket, Lease, Tenancy};

/// The buckets that the relay owns, and which of them are worth reading.
#[derive(Debug, Default)]
pub(super) struct Territory {
    tenures: BTreeMap<Bucket, Tenure>,
    share: usize,
    /// Until when the leases hold at least, by the clock of this process: an interval after the moment before they were asked for.
    valid_until: Option<Instant>,
    /// Where the next read begins, so that a deep bucket does not keep the others waiting.
    turn: Option<Bucket>,
}

#[derive(Debug)]
struct Tenure {
    epoch: i64,
    /// Whether it may hold events that are not in memory.
    unread: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Held,
    /// Nothing more goes out; what is on its way is waited for.
    Draining,
    /// Its release was asked for, and may take effect whatever the answer was: it is not used again under this epoch.
    GivenUp,
}

impl Territory {
    /// Takes note of the leases that were granted; returns the buckets that were lost.
    pub(super) fn update(&mut self, tenancy: &Tenancy, valid_until: Instant) -> Vec<Bucket> {
        self.share = tenancy.share;
        self.valid_until = Some(valid_until);
        let granted: BTreeMap<Bucket, i64> =
            tenancy.leases.iter().map(|l| (l.bucket, l.epoch)).collect();
        let mut lost = Vec::new();
        self.tenures.retain(|bucket, tenure| {
            let kept = granted.get(bucket) == Some(&tenure.epoch);
            if !kept {
                lost.push(*bucket);
            }
            kept
        });
        for (bucket, epoch) in granted {
            self.tenures.entry(bucket).or_insert(Tenure {
                epoch,
                unread: true,
                stage: Stage::Held,
            });
        }
        lost
    }

    /// Chooses what to give up beyond the fair share; returns the buckets that begin to drain.
    pub(super) fn shed(&mut self) -> Vec<Bucket> {
        let mut surplus = self.usable().saturating_sub(self.share);
        let mut shed = Vec::new();
        // From the end: relays take free buckets from the start.
        for (bucket, tenure) in self.tenures.iter_mut().rev() {
            match (tenure.stage, surplus > 0) {
                (Stage::GivenUp, _) => continue,
                (Stage::Held, true) => {
                    tenure.stage = Stage::Draining;
                    shed.push(*bucket);
                }
                (Stage::Draining, false) => {
                    tenure.stage = Stage::Held;
                    tenure.unread = true;
                }
                (Stage::Held, false) | (Stage::Draining, true) => {}
            }
            surplus = surplus.saturating_sub(1);
        }
        shed
    }

    /// Gives up what is drained; returns the leases to release, those whose release has failed before among them.
    pub(super) fn give_up(&mut self, is_empty: impl Fn(Bucket) -> bool) -> Vec<Lease> {
        let mut leases = Vec::new();
        for (bucket, tenure) in &mut self.tenures {
            if tenure.stage == Stage::Draining && is_empty(*bucket) {
                tenure.stage = Stage::GivenUp;
            }
            if tenure.stage == Stage::GivenUp {
                let (bucket, epoch) = (*bucket, tenure.epoch);
                leases.push(Lease { bucket, epoch });
            }
        }
        leases
    }

    /// Takes note that these leases are released.
    pub(super) fn released(&mut self, leases: &[Lease]) {
        for lease in leases {
            self.tenures.remove(&lease.bucket);
        }
    }

    fn usable(&self) -> usize {
        let tenures = self.tenures.values();
        tenures
            .filter(|tenure| tenure.stage != Stage::GivenUp)
            .count()
    }

    /// Whether what begins now and ends by `end` falls within the leases.
    pub(super) fn holds_until(&self, end: Instant) -> bool {
        self.valid_until.is_some_and(|valid| end <= valid)
    }

    /// The epoch of a bucket that is owned.
    pub(super) fn epoch(&self, bucket: Bucket) -> Option<i64> {
        self.tenures.get(&bucket).map(|tenure| tenure.epoch)
    }

    /// Whether events of the bucket may go out.
    pub(super) fn publishes(&self, bucket: Bucket) -> bool {
        self.tenures
            .get(&bucket)
            .is_some_and(|tenure| tenure.stage == Stage::Held)
    }

    /// Whether the relay has fewer buckets than its share.
    pub(super) fn wants_more(&self) -> bool {
        self.tenures.is_empty() || self.usable() < self.share
    }

    /// Whether these are all its buckets.
    pub(super) fn is_all(&self, buckets: &[Bucket]) -> bool {
        buckets.len() == self.tenures.len()
    }

    pub(super) fn buckets(&self) -> Vec<Bucket> {
        self.tenures.keys().copied().collect()
    }

    /// There may be something new in any bucket.
    pub(super) fn mark_unread(&mut self) {
        for tenure in self.tenures.values_mut() {
            tenure.unread = true;
        }
    }

    /// There may be something new in this bucket.
    pub(super) fn mark_bucket_unread(&mut self, bucket: Bucket) {
        if let Some(tenure) = self.tenures.get_mut(&bucket) {
            tenure.unread = true;
        }
    }

    /// Whether a bucket is worth reading, of which `has_room` takes more.
    pub(super) fn is_unread(&self, has_room: impl Fn(Bucket) -> bool) -> bool {
        let mut tenures = self.tenures.iter();
        tenures.any(|(bucket, tenure)| {
            tenure.unread && tenure.stage == Stage::Held && has_room(*bucket)
        })
    }

    /// Begins a read: the buckets that are worth it, from the one whose turn it is.
    pub(super) fn begin_read(&mut self, has_room: impl Fn(Bucket) -> bool) -> Vec<Bucket> {
        let turn = self.turn;
        let mut buckets = Vec::new();
        for (bucket, tenure) in &mut self.tenures {
            if tenure.unread && tenure.stage == Stage::Held && has_room(*bucket) {
                // What comes while the read is under way marks it again.
                tenure.unread = false;
                buckets.push(*bucket);
            }
        }
        let first = buckets.partition_point(|bucket| Some(*bucket) < turn);
        buckets.rotate_left(first);
        buckets
    }

    /// Ends a read that found as much as its limit; `last` is the bucket of the last event.
    pub(super) fn end_full_read(&mut self, buckets: &[Bucket], last: Bucket) {
        let reached = buckets.iter().position(|bucket| *bucket == last);
        let rest = buckets
            .get(reached.unwrap_or_default()..)
            .unwrap_or_default();
        self.read_again(rest);
        self.turn = rest.get(1).copied();
    }

    /// Takes back that these buckets were read to their end.
    pub(super) fn read_again(&mut self, buckets: &[Bucket]) {
        for bucket in buckets {
            self.mark_bucket_unread(*bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(number: i16) -> Bucket {
        Bucket::new(number).unwrap()
    }

    fn tenancy(buckets: impl IntoIterator<Item = i16>, share: usize) -> Tenancy {
        Tenancy {
            leases: buckets
                .into_iter()
                .map(|number| Lease {
                    bucket: bucket(number),
                    epoch: 1,
                })
                .collect(),
            share,
            ..Tenancy::default()
        }
    }

    fn territory(buckets: impl IntoIterator<Item = i16>) -> Territory {
        let mut territory = Territory::default();
        territory.update(&tenancy(buckets, 64), Instant::now());
        territory
    }

    fn numbers(buckets: &[Bucket]) -> Vec<i16> {
        buckets.iter().map(|bucket| bucket.number()).collect()
    }

    #[tokio::test]
    async fn a_full_read_continues_with_the_bucket_after_the_one_that_filled_it() {
        let mut territory = territory([0, 1, 2]);
        let buckets = territory.begin_read(|_| true);
        assert_eq!(numbers(&buckets), [0, 1, 2]);
        territory.end_full_read(&buckets, bucket(1));
        let buckets = territory.begin_read(|_| true);
        assert_eq!(numbers(&buckets), [2, 1], "bucket 0 was read to its end");
    }

    #[tokio::test]
    async fn a_wake_up_during_a_read_is_not_lost() {
        let mut territory = territory([0]);
        assert_eq!(territory.begin_read(|_| true).len(), 1);
        assert!(!territory.is_unread(|_| true));
        territory.mark_unread();
        assert!(territory.is_unread(|_| true));
    }

    #[tokio::test]
    async fn a_surplus_is_drained_before_it_is_given_up() {
        let mut territory = territory([0, 1, 2]);
        territory.update(&tenancy([0, 1, 2], 2), Instant::now());
        assert_eq!(territory.shed(), [bucket(2)]);
        assert!(!territory.publishes(bucket(2)));
        assert!(territory.give_up(|_| false).is_empty());
        let leases = territory.give_up(|_| true);
        assert_eq!(leases.len(), 1);
        territory.released(&leases);
        assert_eq!(territory.buckets(), [bucket(0), bucket(1)]);
    }

    #[tokio::test]
    async fn what_was_given_up_is_not_used_again_under_its_epoch_even_where_the_release_failed() {
        let mut territory = territory([0, 1, 2]);
        territory.update(&tenancy([0, 1, 2], 2), Instant::now());
        territory.shed();
        let leases = territory.give_up(|_| true);
        // The release has failed, the lease was renewed, and there is room for it again.
        territory.update(&tenancy([0, 1, 2], 3), Instant::now());
        assert_eq!(territory.shed(), []);
        assert!(!territory.publishes(bucket(2)));
        assert_eq!(territory.give_up(|_| true), leases);
    }

    #[tokio::test]
    async fn what_drains_is_kept_where_the_share_grows_again() {
        let mut territory = territory([0, 1, 2]);
        territory.update(&tenancy([0, 1, 2], 2), Instant::now());
        territory.shed();
        territory.update(&tenancy([0, 1, 2], 3), Instant::now());
        territory.shed();
        assert!(territory.publishes(bucket(2)));
        assert!(territory.is_unread(|b| b == bucket(2)));
    }

    #[tokio::test]
    async fn a_lease_under_another_epoch_is_a_loss_and_a_new_start() {
        let mut territory = territory([0, 1]);
        let mut granted = tenancy([0, 1], 64);
        granted.leases[1].epoch = 2;
        assert_eq!(territory.update(&granted, Instant::now()), [bucket(1)]);
        assert_eq!(territory.epoch(bucket(1)), Some(2));
    }

    #[tokio::test]
    async fn a_bucket_without_room_is_left_for_later() {
        let mut territory = territory([0, 1]);
        let buckets = territory.begin_read(|bucket| bucket.number() != 0);
        assert_eq!(numbers(&buckets), [1]);
        assert!(!territory.is_unread(|bucket| bucket.number() != 0));
        assert!(territory.is_unread(|_| true));
    }
}
