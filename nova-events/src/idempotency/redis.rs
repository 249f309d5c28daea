use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use redis::Script;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::{Claim, ClaimId, HELD_WAIT, IdempotencyKey, IdempotencyStore, RETENTION};

/// An [`IdempotencyStore`] in Redis, for all members of a group.
///
/// An entry is one key, `{prefix}:{group}:{event_id}`: a claim with a lease, and once it is confirmed a mark that lives for
/// 7 days. Clones share the connection. An event may be handled again where Redis loses what it held
/// (a fail-over, an eviction, a restart without persistence), and where the process dies between effect and confirmation; a
/// `SqlInbox` knows neither.
///
/// ```no_run
/// use nova_events::RedisIdempotency;
///
/// # async fn example() -> Result<(), nova_errors::ServiceError> {
/// let store = RedisIdempotency::connect("redis://redis:6379").await?.prefix("feed");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisIdempotency {
    connection: ConnectionManager,
    scripts: Arc<Scripts>,
    prefix: Arc<str>,
    retention: Duration,
}

/// What has to happen at once in Redis. Each touches one key, so that a cluster runs them too.
struct Scripts {
    claim: Script,
    confirm: Script,
    release: Script,
}

impl RedisIdempotency {
    /// What the names of the entries begin with, by default.
    pub const PREFIX: &str = "nova:events";

    /// How long a handled event is remembered, by default: 7 days.
    pub const RETENTION: Duration = RETENTION;

    /// What a connect to Redis, or the answer to one statement, may take: 2 s.
    pub const TIMEOUT: Duration = Duration::from_secs(2);

    const DONE: i64 = -1;

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
        let scripts = Scripts {
            claim: Script::new(include_str!("redis/claim.lua")),
            confirm: Script::new(include_str!("redis/confirm.lua")),
            release: Script::new(include_str!("redis/release.lua")),
        };
        Self {
            connection,
            scripts: Arc::new(scripts),
            prefix: Self::PREFIX.into(),
            retention: Self::RETENTION,
        }
    }

    /// Sets what the names of the entries begin with: [`PREFIX`](Self::PREFIX) unless set.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long a handled event is remembered, at least 1 s: [`RETENTION`](Self::RETENTION) unless set. It has to be longer than a
    /// record may come late, replayed dead letters included.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention.max(Duration::from_secs(1));
        self
    }

    fn name(&self, key: &IdempotencyKey) -> String {
        format!("{}:{}:{}", self.prefix, key.group(), key.event_id())
    }
}

#[async_trait]
impl IdempotencyStore for RedisIdempotency {
    async fn claim(&self, key: &IdempotencyKey, lease: Duration) -> Result<Claim, ServiceError> {
        let id = ClaimId::new();
        let answer: i64 = self
            .scripts
            .claim
            .key(self.name(key))
            .arg(id.as_uuid().as_bytes())
            .arg(millis(lease))
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(match answer {
            0 => Claim::Acquired(id),
            Self::DONE => Claim::Done,
            left => {
                let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
                Claim::Held {
                    retry_after: left.min(HELD_WAIT),
                }
            }
        })
    }

    async fn confirm(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        let confirmed: bool = self
            .scripts
            .confirm
            .key(self.name(key))
            .arg(claim.as_uuid().as_bytes())
            .arg(millis(self.retention))
            .invoke_async(&mut self.connection.clone())
            .await?;
        if confirmed {
            return Ok(());
        }
        Err(ServiceError::Aborted("claim of the event ran out".into()))
    }

    async fn release(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        let _: bool = self
            .scripts
            .release
            .key(self.name(key))
            .arg(claim.as_uuid().as_bytes())
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(())
    }
}

impl fmt::Debug for RedisIdempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisIdempotency")
            .field("prefix", &self.prefix)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// Redis counts in whole milliseconds, from 1.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
