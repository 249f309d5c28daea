use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::StateStore;

use super::clock::TokioClock;

const SHARDS: usize = 16;

/// The state of each key, in bounded memory.
///
/// Only a key that has its whole quota back is forgotten: it is as if it had never been there, so that nobody gains by pushing keys out. Where all places are
/// taken by keys that are being limited, the newcomers of a shard share one quota.
#[derive(Debug)]
pub(super) struct KeyTable {
    shards: [Mutex<Shard>; SHARDS],
    per_shard: usize,
    clock: TokioClock,
}

#[derive(Debug, Default)]
struct Shard {
    /// When each key has its whole quota back, in nanoseconds of the limiter's time.
    restored: HashMap<u64, Nanos>,
    newcomers: Option<Nanos>,
    swept: Option<Nanos>,
}

impl KeyTable {
    /// At least this long lies between two sweeps of a shard, so that a flood of keys doesn't make each request pay for one.
    const SWEEP_EVERY: Duration = Duration::from_secs(1);

    pub(super) fn new(max_keys: usize, clock: TokioClock) -> Self {
        Self {
            shards: Default::default(),
            per_shard: max_keys.div_ceil(SHARDS),
            clock,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lens = self.shards.iter().map(|shard| lock(shard).restored.len());
        lens.sum()
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        // The remainder is an index always.
        let shard = usize::try_from(key % SHARDS as u64)
            .ok()
            .and_then(|index| self.shards.get(index));
        lock(shard.unwrap_or(first))
    }
}

impl StateStore for KeyTable {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(*key);
        if let Some(restored) = shard.restored.get_mut(key) {
            let (outcome, next) = decide(Some(*restored))?;
            *restored = next;
            return Ok(outcome);
        }
        if shard.restored.len() >= self.per_shard {
            shard.sweep(self.clock.now());
        }
        if shard.restored.len() >= self.per_shard {
            let (outcome, next) = decide(shard.newcomers)?;
            shard.newcomers = Some(next);
            return Ok(outcome);
        }
        let (outcome, next) = decide(None)?;
        shard.restored.insert(*key, next);
        Ok(outcome)
    }
}

impl Shard {
    fn sweep(&mut self, now: Nanos) {
        let since = |swept: Nanos| Duration::from(now.saturating_sub(swept));
        if self
            .swept
            .is_some_and(|swept| since(swept) < KeyTable::SWEEP_EVERY)
        {
            return;
        }
        self.swept = Some(now);
        self.restored.retain(|_, restored| *restored > now);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
