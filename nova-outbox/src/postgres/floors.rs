use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Bucket, ReadBatch};

/// Where in each bucket a read may begin: everything before is gone for good.
///
/// While a transaction holds an old snapshot, deleted rows stay in the table, and a read from the start of a bucket
/// steps over all of them. A floor spares it that. It only passes numbers of which nothing can appear any more:
///
/// - a number has been seen in a read, so all lower ones were drawn before that read ended, by transactions that had their ids by
///   then;
/// - a transaction that began after that read has a higher id;
/// - when every transaction below that id has ended, whatever is not visible below that number never will be.
///
/// Floors are facts about the table, whoever owns the bucket. What could break them (a row written by hand without a transaction id before its number, a
/// database that was restored or failed over) is found by a sweep without them, and an error of the database lets all of
/// them go.
#[derive(Debug, Default)]
pub(super) struct Floors {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    buckets: [Floor; BUCKETS],
    /// The highest number that was read.
    seen: i64,
    horizon: Option<Horizon>,
    advanced_at: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Floor {
    seq: i64,
    swept_at: Option<Instant>,
}

/// All numbers up to `seq` were drawn by transactions with ids below `xid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    pub(super) seq: i64,
    pub(super) xid: i64,
}

const BUCKETS: usize = Bucket::COUNT as usize;

/// How often the floors are raised at most.
const ADVANCE_EVERY: Duration = Duration::from_millis(250);

/// How often each bucket is read without its floor.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Floors {
    /// The floors for a read at `now`, by bucket number: zero where a sweep is due.
    pub(super) fn for_read(&self, now: Instant) -> Vec<i64> {
        let buckets = self.with(|state| state.buckets);
        let floor = |floor: Floor| if floor.is_stale(now) { 0 } else { floor.seq };
        buckets.into_iter().map(floor).collect()
    }

    /// The floors as they are, by bucket number.
    pub(super) fn all(&self) -> Vec<i64> {
        self.with(|state| state.buckets.map(|floor| floor.seq).to_vec())
    }

    /// What a settlement that begins now may make a horizon of.
    pub(super) fn seen(&self) -> i64 {
        self.with(|state| state.seen)
    }

    /// A transaction that began after everything up to `seq` was seen had the id `xid`.
    pub(super) fn began_after(&self, seq: i64, xid: i64) {
        self.with(|state| {
            if state.horizon.is_none() && seq > 0 {
                state.horizon = Some(Horizon { seq, xid });
            }
        });
    }

    /// The horizon up to which the floors can be raised, should its transactions have ended.
    pub(super) fn due(&self, now: Instant) -> Option<Horizon> {
        self.with(|state| {
            let due = state.advanced_at.is_none_or(|at| now >= at + ADVANCE_EVERY);
            let horizon = state.horizon.filter(|_| due);
            if horizon.is_some() {
                state.advanced_at = Some(now);
            }
            horizon
        })
    }

    /// Raises floors; none of them where the transactions below the horizon have not all ended.
    pub(super) fn advance(&self, horizon: Horizon, floors: &[(Bucket, i64)]) {
        if floors.is_empty() {
            return;
        }
        self.with(|state| {
            if state.horizon == Some(horizon) {
                state.horizon = None;
            }
            for (bucket, seq) in floors {
                if let Some(floor) = state.at(*bucket) {
                    floor.seq = floor.seq.max(*seq);
                }
            }
        });
    }

    /// Takes note of a read from `floors` that began at `now`.
    pub(super) fn read(&self, buckets: &[Bucket], floors: &[i64], batch: &ReadBatch, now: Instant) {
        let last = batch.events.last().map(|row| row.key);
        let full = last.filter(|_| batch.truncated);
        self.with(|state| {
            for row in &batch.events {
                state.seen = state.seen.max(row.key.seq);
                if let Some(floor) = state.at(row.key.bucket)
                    && row.key.seq < floor.seq
                {
                    tracing::warn!(
                        seq = row.key.seq,
                        "event appeared below the floor of its bucket"
                    );
                    floor.seq = row.key.seq;
                }
            }
            for bucket in buckets {
                let began_at = floors.get(index(*bucket)).copied().unwrap_or_default();
                let Some(floor) = state.at(*bucket) else {
                    continue;
                };
                let is_last = full.is_some_and(|last| last.bucket == *bucket);
                let passed = full.is_none_or(|last| !is_last || last.seq >= floor.seq);
                if began_at == 0 && passed {
                    floor.swept_at = Some(now);
                }
                if is_last {
                    break;
                }
            }
        });
    }

    /// Lets all floors go.
    fn forget(&self) {
        self.with(|state| *state = State::default());
    }

    /// Begins work on the database that may fail or be cut short, which lets all floors go: the database may be another one then.
    pub(super) fn in_doubt(&self) -> Doubt<'_> {
        Doubt(Some(self))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See [`Floors::in_doubt`].
#[derive(Debug)]
pub(super) struct Doubt<'a>(Option<&'a Floors>);

impl Doubt<'_> {
    /// The work is done.
    pub(super) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(floors) = self.0 {
            floors.forget();
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            buckets: [Floor::default(); BUCKETS],
            seen: 0,
            horizon: None,
            advanced_at: None,
        }
    }
}

impl State {
    fn at(&mut self, bucket: Bucket) -> Option<&mut Floor> {
        self.buckets.get_mut(index(bucket))
    }
}

impl Floor {
    fn is_stale(self, now: Instant) -> bool {
        self.swept_at.is_none_or(|at| now >= at + SWEEP_EVERY)
    }
}

fn index(bucket: Bucket) -> usize {
    usize::try_from(bucket.number()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use nova_errors::ServiceError;

    use super::*;
    use crate::{EventKey, StoredEvent};

    fn bucket(number: i16) -> Bucket {
        Bucket::new(number).unwrap()
    }

    fn batch(rows: &[(i16, i64)], truncated: bool) -> ReadBatch {
        let events = rows.iter().map(|(number, seq)| StoredEvent {
            key: EventKey {
                bucket: bucket(*number),
                seq: *seq,
            },
            aggregate_type: "content".to_owned(),
            aggregate_id: "a".to_owned(),
            attempts: 0,
            age: Duration::ZERO,
            event: Err(ServiceError::DataLoss("not needed here".into())),
        });
        ReadBatch {
            events: events.collect(),
            truncated,
            ..ReadBatch::default()
        }
    }

    fn read(floors: &Floors, rows: &[(i16, i64)], truncated: bool, now: Instant) {
        let buckets: Vec<_> = Bucket::all().collect();
        let from = floors.for_read(now);
        floors.read(&buckets, &from, &batch(rows, truncated), now);
    }

    #[test]
    fn a_floor_rises_to_what_was_seen_before_a_transaction_below_which_all_have_ended() {
        let floors = Floors::default();
        let now = Instant::now();
        assert_eq!(floors.due(now), None);
        read(&floors, &[(0, 7), (1, 5)], false, now);
        floors.began_after(floors.seen(), 100);
        // A later one says nothing new before the first has served.
        floors.began_after(9, 101);
        let horizon = floors.due(now).unwrap();
        assert_eq!(horizon, Horizon { seq: 7, xid: 100 });
        floors.advance(horizon, &[]);
        assert_eq!(floors.due(now), None, "not again at once");
        let later = now + ADVANCE_EVERY;
        assert_eq!(floors.due(later), Some(horizon));
        floors.advance(horizon, &[(bucket(0), 8), (bucket(1), 5)]);
        assert_eq!(floors.for_read(later)[..3], [8, 5, 0]);
        assert_eq!(floors.due(later + ADVANCE_EVERY), None);
    }

    #[test]
    fn nothing_seen_makes_no_horizon() {
        let floors = Floors::default();
        floors.began_after(floors.seen(), 100);
        assert_eq!(floors.due(Instant::now()), None);
    }

    #[test]
    fn a_sweep_reads_from_the_start_and_lowers_a_floor_above_an_event() {
        let floors = Floors::default();
        let now = Instant::now();
        read(&floors, &[], false, now);
        floors.advance(Horizon { seq: 9, xid: 1 }, &[(bucket(0), 10)]);
        assert_eq!(floors.for_read(now)[0], 10);
        let later = now + SWEEP_EVERY;
        assert_eq!(floors.for_read(later)[0], 0);
        read(&floors, &[(0, 4)], false, later);
        assert_eq!(floors.for_read(later)[0], 4);
    }

    #[test]
    fn a_read_that_was_cut_short_has_swept_only_what_it_passed() {
        let floors = Floors::default();
        let now = Instant::now();
        let all: Vec<_> = [(0, 10), (1, 10), (2, 10)]
            .map(|(number, seq)| (bucket(number), seq))
            .into();
        floors.advance(Horizon { seq: 9, xid: 1 }, &all);
        read(&floors, &[(0, 12), (1, 11)], true, now);
        assert_eq!(floors.for_read(now)[..3], [10, 10, 0]);
    }

    #[test]
    fn an_error_of_the_database_lets_all_floors_go() {
        let floors = Floors::default();
        let now = Instant::now();
        read(&floors, &[(0, 7)], false, now);
        floors.advance(Horizon { seq: 7, xid: 1 }, &[(bucket(0), 8)]);
        floors.in_doubt().end();
        assert_eq!(floors.seen(), 7);
        drop(floors.in_doubt());
        assert!(floors.all().iter().all(|floor| *floor == 0));
        assert_eq!(floors.seen(), 0);
    }
}
