use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Claim, ClaimId, HELD_WAIT, IdempotencyKey, IdempotencyStore};
use crate::ConsumerGroup;

/// An [`IdempotencyStore`] in the memory of the process: for one member, and for what may take
/// effect again after a restart.
///
/// It holds the last `capacity` events that were handled, at most [`TTL`](Self::TTL) old, and at most as many
/// claims. Clones share what they hold.
///
/// ```
/// use nova_events::MemoryIdempotency;
///
/// let store = MemoryIdempotency::new(50_000);
/// assert!(store.is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct MemoryIdempotency {
    capacity: usize,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    /// The groups by their numbers. A process has few.
    groups: Vec<ConsumerGroup>,
    /// Few, beside those that are done: they stay near.
    claims: HashMap<Key, (ClaimId, Instant)>,
    done: HashSet<Key>,
    /// Those that are done, oldest first.
    order: VecDeque<(Instant, Key)>,
}

/// An event, and the number of its group.
type Key = (Uuid, u32);

impl MemoryIdempotency {
    /// How many events are remembered by default.
    pub const CAPACITY: usize = 100_000;

    /// How long an event is remembered: 24 hours.
    pub const TTL: Duration = Duration::from_secs(24 * 60 * 60);

    /// A store of `capacity` events, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            entries: Arc::default(),
        }
    }

    /// How many handled events are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().done.len()
    }

    /// Whether no handled event is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryIdempotency {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}

impl Entries {
    fn key(&mut self, key: &IdempotencyKey) -> Key {
        let known = (0..).zip(&self.groups);
        let found = known.into_iter().find(|(_, group)| *group == key.group());
        if let Some((number, _)) = found {
            return (key.event_id(), number);
        }
        self.groups.push(key.group().clone());
        let last = u32::try_from(self.groups.len() - 1);
        (key.event_id(), last.unwrap_or(u32::MAX))
    }

    fn forget_old(&mut self, capacity: usize, now: Instant) {
        let over = |since: &Instant, left| {
            left > capacity || now.duration_since(*since) >= MemoryIdempotency::TTL
        };
        while let Some((since, key)) = self.order.front()
            && over(since, self.order.len())
        {
            self.done.remove(key);
            self.order.pop_front();
        }
    }

    fn has_room_for_a_claim(&mut self, capacity: usize, now: Instant) -> bool {
        if self.claims.len() >= capacity {
            self.claims.retain(|_, (_, until)| now < *until);
        }
        self.claims.len() < capacity
    }

    /// Takes a claim away, where it is this one.
    fn take(&mut self, key: &Key, claim: ClaimId) -> bool {
        let is_held = self.claims.get(key).is_some_and(|(id, _)| *id == claim);
        if is_held {
            self.claims.remove(key);
        }
        is_held
    }
}

#[async_trait]
impl IdempotencyStore for MemoryIdempotency {
    async fn claim(&self, key: &IdempotencyKey, lease: Duration) -> Result<Claim, ServiceError> {
        let now = Instant::now();
        let mut entries = self.lock();
        entries.forget_old(self.capacity, now);
        let key = entries.key(key);
        if entries.done.contains(&key) {
            return Ok(Claim::Done);
        }
        let claimed_until = entries.claims.get(&key).map(|(_, until)| *until);
        if let Some(until) = claimed_until.filter(|until| now < *until) {
            return Ok(Claim::Held {
                retry_after: HELD_WAIT.min(until - now),
            });
        }
        if claimed_until.is_none() && !entries.has_room_for_a_claim(self.capacity, now) {
            let full = "idempotency store is full of claims";
            return Err(ServiceError::ServiceUnavailable(full.into()));
        }
        let id = ClaimId::new();
        entries.claims.insert(key, (id, now + lease));
        Ok(Claim::Acquired(id))
    }

    async fn confirm(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        let now = Instant::now();
        let mut entries = self.lock();
        let key = entries.key(key);
        if !entries.take(&key, claim) {
            return Err(ServiceError::Aborted("claim of the event ran out".into()));
        }
        if entries.done.insert(key) {
            entries.order.push_back((now, key));
        }
        entries.forget_old(self.capacity, now);
        Ok(())
    }

    async fn release(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        let mut entries = self.lock();
        let key = entries.key(key);
        entries.take(&key, claim);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u128) -> IdempotencyKey {
        IdempotencyKey::new("g".parse().unwrap(), Uuid::from_u128(n))
    }

    async fn handle(store: &MemoryIdempotency, key: &IdempotencyKey) {
        let Claim::Acquired(id) = store.claim(key, MemoryIdempotency::TTL).await.unwrap() else {
            panic!("not free");
        };
        store.confirm(key, id).await.unwrap();
    }

    #[tokio::test]
    async fn the_oldest_events_are_forgotten_beyond_the_capacity() {
        let store = MemoryIdempotency::new(2);
        for n in 0..3 {
            handle(&store, &key(n)).await;
        }
        assert_eq!(store.len(), 2);
        let lease = Duration::from_secs(1);
        assert_eq!(store.claim(&key(2), lease).await.unwrap(), Claim::Done);
        let forgotten = store.claim(&key(0), lease).await.unwrap();
        assert!(matches!(forgotten, Claim::Acquired(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_forgotten_after_its_time() {
        let store = MemoryIdempotency::default();
        handle(&store, &key(1)).await;
        tokio::time::advance(MemoryIdempotency::TTL).await;
        let claim = store.claim(&key(1), Duration::from_secs(1)).await.unwrap();
        assert!(matches!(claim, Claim::Acquired(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn claims_are_bounded_and_those_that_ran_out_make_room() {
        let store = MemoryIdempotency::new(1);
        let lease = Duration::from_secs(1);
        store.claim(&key(1), lease).await.unwrap();
        let error = store.claim(&key(2), lease).await.unwrap_err();
        assert!(error.is_retryable());
        tokio::time::advance(lease).await;
        assert!(store.claim(&key(2), lease).await.is_ok());
    }
}
