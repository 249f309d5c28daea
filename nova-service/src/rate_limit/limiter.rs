use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use nova_errors::{Effect, ServiceError};

use super::RateLimit;
use super::clock::TokioClock;
use super::key_table::KeyTable;

type Governor = governor::RateLimiter<u64, KeyTable, TokioClock, StateInformationMiddleware>;

/// Counts the requests of each key against a [`RateLimit`], without a framework: what [`RateLimitLayer`](super::RateLimitLayer) asks.
///
/// A key is anything that hashes; only its hash under a secret of this limiter is kept. At most [`MAX_KEYS`](Self::MAX_KEYS) keys are told apart: one that has its whole quota back
/// is forgotten, and while there is none such, new keys share a quota. Clones share their state. The limit is that of one process: with `n` of them behind a balancer a client gets
/// up to `n` times as much.
///
/// ```
/// use std::time::Duration;
/// use nova_service::{RateLimit, RateLimiter};
///
/// let limiter = RateLimiter::new(RateLimit::new("login", 2, Duration::from_secs(60))?);
/// assert!(limiter.check("alice").is_allowed());
/// let second = limiter.check("alice");
/// assert_eq!((second.is_allowed(), second.remaining()), (true, 0));
/// assert!(limiter.check("alice").error().is_some());
/// assert!(limiter.check("bob").is_allowed());
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Clone)]
pub struct RateLimiter {
    inner: Arc<Inner>,
}

struct Inner {
    limit: RateLimit,
    /// The value of `RateLimit-Policy`, which never changes.
    policy: String,
    hasher: RandomState,
    governor: Governor,
}

impl RateLimiter {
    /// How many keys are told apart by default: 65 536, of 16 bytes each.
    pub const MAX_KEYS: usize = 65_536;

    /// A limiter whose keys all have their whole quota.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        Self::with_max_keys(limit, Self::MAX_KEYS)
    }

    /// A limiter that tells `max_keys` keys apart, rounded up to a multiple of 16.
    #[must_use]
    pub fn with_max_keys(limit: RateLimit, max_keys: usize) -> Self {
        let clock = TokioClock::new();
        let keys = KeyTable::new(max_keys, clock);
        let policy = format!(
            "\"{}\";q={};w={}",
            limit.name(),
            limit.quota(),
            limit.window().as_secs()
        );
        Self {
            inner: Arc::new(Inner {
                policy,
                hasher: RandomState::new(),
                governor: Governor::new(limit.to_governor(), keys, clock),
                limit,
            }),
        }
    }

    /// Counts a request of `key`, unless the key's quota is spent.
    pub fn check<K: Hash + ?Sized>(&self, key: &K) -> RateCheck {
        let key = self.inner.hasher.hash_one(key);
        let (remaining, wait) = match self.inner.governor.check_key(&key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(refused) => {
                let now = self.inner.governor.clock().now();
                (0, Some(refused.wait_time_from(now)))
            }
        };
        if wait.is_some() {
            let limit = self.inner.limit.name().to_owned();
            metrics::counter!("nova_rate_limited_total", "limit" => limit).increment(1);
        }
        RateCheck {
            limiter: self.clone(),
            remaining,
            wait,
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("limit", &self.inner.limit)
            .finish_non_exhaustive()
    }
}

/// What came of the [check](RateLimiter::check) of a request, and the headers that tell its sender.
///
/// The headers are those of the IETF's [RateLimit header fields](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/), draft 11. They are lists: where several limits
/// apply, each adds its own.
#[derive(Debug, Clone)]
#[must_use = "a check only counts; refusing is up to its caller"]
pub struct RateCheck {
    limiter: RateLimiter,
    remaining: u32,
    wait: Option<Duration>,
}

impl RateCheck {
    /// The header that says what the limit is.
    pub const POLICY_HEADER: &'static str = "ratelimit-policy";

    /// The header that says what is left of it.
    pub const LIMIT_HEADER: &'static str = "ratelimit";

    /// Whether the request is within the limit.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.wait.is_none()
    }

    /// How many more requests would be within the limit now.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The answer to a request over the limit: `RateLimited`, with the effect none and the time until the next one is within it.
    #[must_use]
    pub fn error(&self) -> Option<ServiceError> {
        let wait = self.wait?;
        let limit = &self.limiter.inner.limit;
        let message = format!(
            "over the limit {} of {} requests in {} s",
            limit.name(),
            limit.quota(),
            limit.window().as_secs()
        );
        let error = ServiceError::RateLimited(message.into());
        Some(error.with_retry_after(wait).with_effect(Effect::None))
    }

    /// The value of [`POLICY_HEADER`](Self::POLICY_HEADER): `"auth";q=100;w=60`.
    #[must_use]
    pub fn policy_value(&self) -> &str {
        &self.limiter.inner.policy
    }

    /// The value of [`LIMIT_HEADER`](Self::LIMIT_HEADER): `"auth";r=42;t=1`, where `t` is the time in which no more than `r` requests are within the limit.
    #[must_use]
    pub fn limit_value(&self) -> String {
        let limit = &self.limiter.inner.limit;
        // One more comes back within an interval at the latest.
        let window = self.wait.unwrap_or(limit.window() / limit.quota().max(1));
        let seconds = window.as_secs() + u64::from(window.subsec_nanos() > 0);
        format!("\"{}\";r={};t={seconds}", limit.name(), self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::advance;

    const MINUTE: Duration = Duration::from_secs(60);

    fn limiter(quota: u32, window: Duration, max_keys: usize) -> RateLimiter {
        let limit = RateLimit::new("test", quota, window).unwrap();
        RateLimiter::with_max_keys(limit, max_keys)
    }

    fn allowed(limiter: &RateLimiter, key: u32, times: u32) -> usize {
        (0..times)
            .filter(|_| limiter.check(&key).is_allowed())
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_quota_comes_back_evenly() {
        let limiter = limiter(60, MINUTE, 16);
        assert_eq!(allowed(&limiter, 1, 100), 60);
        advance(Duration::from_millis(999)).await;
        assert_eq!(allowed(&limiter, 1, 10), 0);
        advance(Duration::from_millis(1)).await;
        assert_eq!(allowed(&limiter, 1, 10), 1);
        advance(2 * MINUTE).await;
        assert_eq!(allowed(&limiter, 1, 100), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn headers_say_what_is_left_and_for_how_long() {
        let limiter = limiter(2, MINUTE, 16);
        let shown =
            |check: &RateCheck| format!("{} | {}", check.policy_value(), check.limit_value());
        let first = limiter.check("a");
        assert_eq!(shown(&first), r#""test";q=2;w=60 | "test";r=1;t=30"#);
        let second = limiter.check("a");
        assert_eq!(second.limit_value(), r#""test";r=0;t=30"#);
        advance(Duration::from_millis(10_500)).await;
        let third = limiter.check("a");
        assert_eq!(third.limit_value(), r#""test";r=0;t=20"#);
        let error = third.error().unwrap();
        assert_eq!(error.retry_after(), Some(Duration::from_millis(19_500)));
        assert_eq!(error.effect(), Effect::None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_keys_neither_grows_the_table_nor_resets_anybody() {
        let limiter = limiter(10, MINUTE, 64);
        assert_eq!(allowed(&limiter, 0, 100), 10);
        let through: usize = (1..10_000).map(|key| allowed(&limiter, key, 10)).sum();
        // Each place and each of the 16 shared quotas gives a quota once.
        assert!(through <= (64 + 16) * 10, "{through}");
        assert_eq!(allowed(&limiter, 0, 10), 0);
        let inner = Arc::into_inner(limiter.inner).unwrap();
        assert!(inner.governor.into_state_store().len() <= 64);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_have_their_quota_back_make_place_for_others() {
        let limiter = limiter(10, MINUTE, 64);
        for key in 0..1_000 {
            allowed(&limiter, key, 10);
        }
        advance(MINUTE).await;
        assert_eq!(allowed(&limiter, 5_000, 100), 10);
        let inner = Arc::into_inner(limiter.inner).unwrap();
        assert!(inner.governor.into_state_store().len() < 64);
    }

    #[test]
    fn threads_that_ask_at_once_get_the_quota_together() {
        let limiter = limiter(500, RateLimit::MAX_WINDOW, 16);
        let through: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| allowed(&limiter, 1, 1_000)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(through, 500);
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_its_quota_and_what_came_back(
            quota in 1_u32..50,
            window in 1_u64..120,
            gaps in proptest::collection::vec(0_u64..5_000, 1..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let window = Duration::from_secs(window);
                let limiter = limiter(quota, window, 16);
                let (mut elapsed, mut through) = (Duration::ZERO, 0_u32);
                for gap in gaps {
                    let gap = Duration::from_millis(gap);
                    advance(gap).await;
                    elapsed += gap;
                    let check = limiter.check(&());
                    through += u32::from(check.is_allowed());
                    let back = elapsed.as_nanos() / (window.as_nanos() / u128::from(quota));
                    prop_assert!(u128::from(through) <= u128::from(quota) + back);
                    if let Some(error) = check.error() {
                        let wait = error.retry_after().unwrap();
                        prop_assert!(wait > Duration::ZERO && wait <= window);
                    }
                }
                Ok(())
            })?;
        }
    }
}
