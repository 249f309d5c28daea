mod claim;
mod scripts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use self::claim::{Found, RedisClaim};
use self::scripts::Scripts;
use super::{Claim, CommandKey, Fingerprint, IdempotencyStore, StoredAnswer};

/// An [`IdempotencyStore`] in Redis, for all processes of a service.
///
/// A claim has a lease, which is renewed while the handler runs, so that a process that dies holds its keys up for no longer
/// than that. A command may run again where Redis loses what it held (a fail-over, an eviction, a restart without persistence), or
/// where a process stands still for longer than the lease.
///
/// An entry expires by itself: the store needs no [`IdempotencyPurge`](crate::IdempotencyPurge). Clones share the connection.
///
/// ```no_run
/// use nova_service::{IdempotencyLayer, RedisIdempotencyStore};
///
/// # async fn example() -> Result<(), nova_errors::ServiceError> {
/// let store = RedisIdempotencyStore::connect("redis://redis:6379").await?.prefix("billing");
/// let layer = IdempotencyLayer::new(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisIdempotencyStore {
    connection: ConnectionManager,
    scripts: Arc<Scripts>,
    prefix: Arc<str>,
    lease: Duration,
}

impl RedisIdempotencyStore {
    /// How long a claim lives without being renewed, by default: 10 s.
    pub const LEASE: Duration = Duration::from_secs(10);

    /// What the names of the entries begin with, by default.
    pub const PREFIX: &str = "nova:idempotency";

    /// What a connect to Redis, or the answer to one statement, may take: 2 s.
    pub const TIMEOUT: Duration = Duration::from_secs(2);

    /// A store in the Redis at `url`, `redis://host:port/database`.
    ///
    /// # Errors
    ///
    /// `Internal` where the URL is malformed or Redis refuses the login, `ServiceUnavailable` where it does not answer.
    pub async fn connect(url: &str) -> Result<Self, ServiceError> {
        let client = redis::Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(Self::TIMEOUT))
            .set_response_timeout(Some(Self::TIMEOUT));
        Ok(Self::new(
            client.get_connection_manager_with_config(config).await?,
        ))
    }

    /// A store on a connection that there is already.
    #[must_use]
    pub fn new(connection: ConnectionManager) -> Self {
        Self {
            connection,
            scripts: Arc::default(),
            prefix: Self::PREFIX.into(),
            lease: Self::LEASE,
        }
    }

    /// Sets what the names of the entries begin with: [`PREFIX`](Self::PREFIX) unless set.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long a claim lives without being renewed, at least 100 ms: [`LEASE`](Self::LEASE) unless set. It is renewed after each
    /// third of that.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }
}

#[async_trait]
impl IdempotencyStore for RedisIdempotencyStore {
    async fn claim(
        &self,
        key: &CommandKey,
        fingerprint: &Fingerprint,
    ) -> Result<Claim, ServiceError> {
        let (claim, found) = RedisClaim::new(self, key, fingerprint).take().await?;
        Ok(match found {
            Found::Nothing => Claim::Acquired(Box::new(claim)),
            Found::Claim => Claim::IN_FLIGHT,
            Found::Answer(of, _) if of != *fingerprint.as_bytes() => Claim::Mismatch,
            Found::Answer(_, answer) => Claim::Answered(StoredAnswer::from_json(&answer)?),
        })
    }
}

impl fmt::Debug for RedisIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisIdempotencyStore")
            .field("prefix", &self.prefix)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
