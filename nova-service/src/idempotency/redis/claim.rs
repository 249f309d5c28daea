use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Chain, ServiceError};
use redis::aio::ConnectionManager;
use redis::{RedisResult, ScriptInvocation};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::RedisIdempotencyStore;
use super::scripts::{Scripts, millis};
use crate::idempotency::{CommandClaim, CommandKey, Fingerprint, StoredAnswer};

const CLAIM: u8 = b'c';
const ANSWER: u8 = b'a';

/// An entry, claim or answer, begins with its kind. A claim goes on with a token that tells it from every other.
pub(super) struct RedisClaim {
    connection: ConnectionManager,
    scripts: Arc<Scripts>,
    name: String,
    value: Vec<u8>,
    fingerprint: Fingerprint,
    lease: Duration,
    is_held: bool,
}

/// What was there before.
pub(super) enum Found {
    Nothing,
    Claim,
    /// An answer, with the fingerprint of its command.
    Answer([u8; 32], Vec<u8>),
}

impl RedisClaim {
    pub(super) fn new(
        store: &RedisIdempotencyStore,
        key: &CommandKey,
        fingerprint: &Fingerprint,
    ) -> Self {
        let mut value = vec![CLAIM];
        value.extend(Uuid::new_v4().as_bytes());
        Self {
            connection: store.connection.clone(),
            scripts: store.scripts.clone(),
            name: format!("{}:{key}", store.prefix),
            value,
            fingerprint: *fingerprint,
            lease: store.lease,
            is_held: false,
        }
    }

    pub(super) async fn take(mut self) -> Result<(Self, Found), ServiceError> {
        // Dropped before the answer is there, it may have been taken.
        self.is_held = true;
        let found: Option<Vec<u8>> = self
            .script(&self.scripts.claim)
            .arg(millis(self.lease))
            .invoke_async(&mut self.connection.clone())
            .await?;
        let found = match &found {
            None => return Ok((self, Found::Nothing)),
            Some(found) => read(found)?,
        };
        self.is_held = false;
        Ok((self, found))
    }

    fn script<'a>(&self, script: &'a redis::Script) -> ScriptInvocation<'a> {
        let mut invocation = script.key(&self.name);
        invocation.arg(&self.value);
        invocation
    }

    async fn renew(&self) -> RedisResult<bool> {
        self.script(&self.scripts.renew)
            .arg(millis(self.lease))
            .invoke_async(&mut self.connection.clone())
            .await
    }
}

fn read(entry: &[u8]) -> Result<Found, ServiceError> {
    match entry.split_first() {
        Some((&CLAIM, _)) => Ok(Found::Claim),
        Some((&ANSWER, rest)) => match rest.split_first_chunk() {
            Some((fingerprint, answer)) => Ok(Found::Answer(*fingerprint, answer.to_vec())),
            None => Err(unreadable()),
        },
        _ => Err(unreadable()),
    }
}

fn unreadable() -> ServiceError {
    ServiceError::DataLoss("read an entry of the idempotency store".into())
}

#[async_trait]
impl CommandClaim for RedisClaim {
    async fn hold(&mut self) {
        let pause = self.lease / 3;
        loop {
            tokio::time::sleep(pause).await;
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!("a claim ran out while its command ran, which may run again");
                    return;
                }
                // The lease may last until the next try.
                Err(error) => {
                    let error = ServiceError::from(error);
                    tracing::warn!(error = %Chain(&error), "a claim could not be renewed");
                }
            }
        }
    }

    async fn confirm(
        mut self: Box<Self>,
        answer: &StoredAnswer,
        retention: Duration,
    ) -> Result<(), ServiceError> {
        let mut entry = vec![ANSWER];
        entry.extend(self.fingerprint.as_bytes());
        entry.extend(answer.to_json()?.into_bytes());
        // What becomes of it is told below; a release would be in vain or wrong.
        self.is_held = false;
        let confirmed: bool = self
            .script(&self.scripts.confirm)
            .arg(entry)
            .arg(millis(retention))
            .invoke_async(&mut self.connection.clone())
            .await?;
        if confirmed {
            return Ok(());
        }
        Err(ServiceError::Aborted(
            "the claim of the command ran out".into(),
        ))
    }

    async fn release(mut self: Box<Self>) -> Result<(), ServiceError> {
        self.is_held = false;
        let _: bool = self
            .script(&self.scripts.release)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(())
    }
}

impl Drop for RedisClaim {
    fn drop(&mut self) {
        // Without a runtime, at the end of the process, the lease frees the key.
        if let (true, Ok(runtime)) = (self.is_held, Handle::try_current()) {
            let (scripts, mut connection) = (self.scripts.clone(), self.connection.clone());
            let (name, value) = (
                std::mem::take(&mut self.name),
                std::mem::take(&mut self.value),
            );
            // It ends by itself, within the connection's time-out.
            runtime.spawn(async move {
                let release: RedisResult<bool> = scripts
                    .release
                    .key(name)
                    .arg(value)
                    .invoke_async(&mut connection)
                    .await;
                if let Err(error) = release {
                    let error = ServiceError::from(error);
                    tracing::debug!(error = %Chain(&error), "a claim is left to its lease");
                }
            });
        }
    }
}
