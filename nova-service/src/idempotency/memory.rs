use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use tokio::time::Instant;

use super::in_flight::{Entered, InFlight};
use super::{
    Claim, CommandClaim, CommandKey, Fingerprint, IdempotencyLayer, IdempotencyStore, StoredAnswer,
};

/// An [`IdempotencyStore`] in the memory of the process: for one process, and for what may take effect again after a restart, which
/// forgets everything.
///
/// It holds [`CAPACITY`](Self::CAPACITY) answers and [`MAX_BYTES`](Self::MAX_BYTES) unless told otherwise; beyond that it forgets the oldest, before their
/// retention is over, and counts them as `nova_idempotency_forgotten_total`. So a caller who may send any number of commands makes it forget those of
/// others: bound that by a rate limit for each subject. Clones share what they hold.
///
/// ```
/// use nova_service::{IdempotencyLayer, MemoryIdempotencyStore};
///
/// let layer = IdempotencyLayer::new(MemoryIdempotencyStore::new(10_000));
/// ```
#[derive(Clone)]
pub struct MemoryIdempotencyStore {
    shared: Arc<Shared>,
}

struct Shared {
    capacity: usize,
    max_bytes: usize,
    in_flight: InFlight,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    by_key: HashMap<CommandKey, Entry>,
    /// Oldest first.
    by_age: BTreeMap<u64, CommandKey>,
    next_age: u64,
    bytes: usize,
}

struct Entry {
    fingerprint: Fingerprint,
    answer: String,
    until: Instant,
    age: u64,
}

impl MemoryIdempotencyStore {
    /// How many answers are held by default: 100 000.
    pub const CAPACITY: usize = 100_000;

    /// How long the answers may be together by default, in bytes: 64 MiB.
    pub const MAX_BYTES: usize = 64 * 1024 * 1024;

    /// A store of `capacity` answers, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::bounded(capacity, Self::MAX_BYTES)
    }

    /// A store of `capacity` answers, at least one, that are at most `max_bytes` long together. Of an answer that alone is longer it keeps that
    /// there was one ([`StoredAnswer::unkept`]).
    #[must_use]
    pub fn bounded(capacity: usize, max_bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                capacity: capacity.max(1),
                max_bytes,
                in_flight: InFlight::default(),
                answers: Mutex::default(),
            }),
        }
    }

    /// How many answers are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.answers().by_key.len()
    }

    /// Whether no answer is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for MemoryIdempotencyStore {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}

impl fmt::Debug for MemoryIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryIdempotencyStore")
            .field("capacity", &self.shared.capacity)
            .field("max_bytes", &self.shared.max_bytes)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    fn find(&self, key: &CommandKey, now: Instant) -> Option<&Entry> {
        self.by_key.get(key).filter(|entry| now < entry.until)
    }

    fn insert(&mut self, key: CommandKey, mut entry: Entry) {
        self.remove(&key);
        entry.age = self.next_age;
        self.next_age += 1;
        self.bytes += entry.answer.len();
        self.by_age.insert(entry.age, key);
        self.by_key.insert(key, entry);
    }

    fn remove(&mut self, key: &CommandKey) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_age.remove(&entry.age);
            self.bytes -= entry.answer.len();
        }
    }

    fn forget_beyond(&mut self, capacity: usize, max_bytes: usize, now: Instant) {
        while self.by_key.len() > capacity || self.bytes > max_bytes {
            let Some(oldest) = self.by_age.values().next().copied() else {
                return;
            };
            if self.find(&oldest, now).is_some() {
                metrics::counter!("nova_idempotency_forgotten_total").increment(1);
            }
            self.remove(&oldest);
        }
    }

    fn purge(&mut self, limit: usize, now: Instant) -> usize {
        let is_over = |key: &&CommandKey| self.find(key, now).is_none();
        let over: Vec<_> = self
            .by_age
            .values()
            .filter(is_over)
            .take(limit)
            .copied()
            .collect();
        over.iter().for_each(|key| self.remove(key));
        over.len()
    }
}

#[async_trait]
impl IdempotencyStore for MemoryIdempotencyStore {
    async fn claim(
        &self,
        key: &CommandKey,
        fingerprint: &Fingerprint,
    ) -> Result<Claim, ServiceError> {
        // Entered before the look, so that no other can run and be confirmed in between.
        let Some(entered) = self.shared.in_flight.enter(*key) else {
            return Ok(Claim::IN_FLIGHT);
        };
        let now = Instant::now();
        let found = match self.shared.answers().find(key, now) {
            Some(entry) if entry.fingerprint != *fingerprint => return Ok(Claim::Mismatch),
            Some(entry) => Some(entry.answer.clone()),
            None => None,
        };
        Ok(match found {
            Some(answer) => Claim::Answered(StoredAnswer::from_json(answer.as_bytes())?),
            None => Claim::Acquired(Box::new(MemoryClaim {
                shared: self.shared.clone(),
                key: *key,
                fingerprint: *fingerprint,
                _entered: entered,
            })),
        })
    }

    async fn purge(&self, limit: u32) -> Result<u64, ServiceError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let purged = self.shared.answers().purge(limit, Instant::now());
        Ok(u64::try_from(purged).unwrap_or(u64::MAX))
    }
}

struct MemoryClaim {
    shared: Arc<Shared>,
    key: CommandKey,
    fingerprint: Fingerprint,
    _entered: Entered,
}

#[async_trait]
impl CommandClaim for MemoryClaim {
    async fn confirm(
        self: Box<Self>,
        answer: &StoredAnswer,
        retention: Duration,
    ) -> Result<(), ServiceError> {
        let mut json = answer.to_json()?;
        if json.len() > self.shared.max_bytes {
            // Else it would drive out all the others.
            json = StoredAnswer::unkept().to_json()?;
        }
        let now = Instant::now();
        let entry = Entry {
            fingerprint: self.fingerprint,
            answer: json,
            until: now + retention.min(IdempotencyLayer::MAX_RETENTION),
            age: 0,
        };
        let mut answers = self.shared.answers();
        answers.insert(self.key, entry);
        answers.forget_beyond(self.shared.capacity, self.shared.max_bytes, now);
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use serde_json::json;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn key(name: &str) -> CommandKey {
        CommandKey::new(None, "a", "b", name)
    }

    async fn claim(store: &MemoryIdempotencyStore, name: &str) -> Claim {
        let fingerprint = Fingerprint::of(&json!(null));
        store.claim(&key(name), &fingerprint).await.unwrap()
    }

    async fn run(store: &MemoryIdempotencyStore, name: &str) {
        let Claim::Acquired(claim) = claim(store, name).await else {
            panic!("{name} is not free");
        };
        let data = serde_json::value::to_raw_value(name).unwrap();
        let answer = StoredAnswer::reply(StatusCode::OK, data);
        claim.confirm(&answer, DAY).await.unwrap();
    }

    async fn is_known(store: &MemoryIdempotencyStore, name: &str) -> bool {
        matches!(claim(store, name).await, Claim::Answered(_))
    }

    #[tokio::test]
    async fn the_oldest_answers_are_forgotten_beyond_the_capacity() {
        let store = MemoryIdempotencyStore::new(2);
        for name in ["a", "b", "c"] {
            run(&store, name).await;
        }
        assert_eq!(store.len(), 2);
        assert!(!is_known(&store, "a").await);
        assert!(is_known(&store, "b").await && is_known(&store, "c").await);
    }

    #[tokio::test]
    async fn the_answers_are_bounded_together() {
        let store = MemoryIdempotencyStore::bounded(100, 100);
        run(&store, "a").await;
        run(&store, &"b".repeat(50)).await;
        assert_eq!(store.len(), 1);
        assert!(store.shared.answers().bytes <= 100);
    }

    #[tokio::test]
    async fn an_answer_longer_than_the_store_drives_no_other_out_and_is_not_done_again() {
        let store = MemoryIdempotencyStore::bounded(100, 100);
        run(&store, "a").await;
        let long = "b".repeat(200);
        run(&store, &long).await;
        assert!(is_known(&store, "a").await && is_known(&store, &long).await);
        assert!(store.shared.answers().bytes <= 100);
    }

    #[tokio::test]
    async fn a_retention_of_any_length_is_taken() {
        let store = MemoryIdempotencyStore::default();
        let Claim::Acquired(first) = claim(&store, "a").await else {
            panic!("a new key is free");
        };
        first
            .confirm(&StoredAnswer::unkept(), Duration::MAX)
            .await
            .unwrap();
        assert!(is_known(&store, "a").await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_forgotten_after_its_time() {
        let store = MemoryIdempotencyStore::default();
        run(&store, "a").await;
        assert_eq!(store.purge(10).await.unwrap(), 0);
        tokio::time::advance(DAY).await;
        assert!(!is_known(&store, "a").await);
        run(&store, "b").await;
        assert_eq!(store.purge(10).await.unwrap(), 1);
        assert!(is_known(&store, "b").await);
    }
}
