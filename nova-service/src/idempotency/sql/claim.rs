use std::time::Duration;

use async_trait::async_trait;
use axum::http::Extensions;
use nova_errors::ServiceError;
use sqlx::Transaction;

use super::IdempotencyDatabase;
use super::database::NewAnswer;
use super::transaction::{Open, Slot};
use crate::idempotency::in_flight::Entered;
use crate::idempotency::{Claim, CommandClaim, CommandKey, Fingerprint, StoredAnswer};

/// What the handler writes can be undone up to here, and the locks stay.
const BEGIN: &str = "SAVEPOINT nova_command";
const UNDO: &str = "ROLLBACK TO SAVEPOINT nova_command";
const KEEP: &str = "RELEASE SAVEPOINT nova_command";

/// A command in its transaction.
pub(super) struct SqlClaim<DB: IdempotencyDatabase> {
    slot: Slot<DB>,
    keyed: Option<Keyed>,
}

/// What its answer is kept for.
pub(super) struct Keyed {
    key: CommandKey,
    fingerprint: Fingerprint,
    _entered: Entered,
}

impl Keyed {
    pub(super) fn new(key: CommandKey, fingerprint: Fingerprint, entered: Entered) -> Self {
        Self {
            key,
            fingerprint,
            _entered: entered,
        }
    }
}

impl<DB: IdempotencyDatabase> SqlClaim<DB> {
    pub(super) async fn begin(
        mut tx: Transaction<'static, DB>,
        keyed: Option<Keyed>,
    ) -> Result<Self, ServiceError> {
        DB::execute(&mut tx, BEGIN).await?;
        let slot = Slot::new(tx);
        Ok(Self { slot, keyed })
    }
}

#[async_trait]
impl<DB: IdempotencyDatabase> CommandClaim for SqlClaim<DB> {
    fn is_atomic(&self) -> bool {
        true
    }

    fn attach(&mut self, extensions: &mut Extensions) {
        extensions.insert(self.slot.clone());
    }

    async fn confirm(
        self: Box<Self>,
        answer: &StoredAnswer,
        retention: Duration,
    ) -> Result<(), ServiceError> {
        let Open {
            mut tx,
            after_commit,
        } = self.slot.take()?;
        // Either fails in a transaction that the database has given up, whose commit PostgreSQL would take without a word.
        let end = if answer.is_failure() { UNDO } else { KEEP };
        DB::execute(&mut tx, end).await.map_err(not_committed)?;
        if let Some(keyed) = &self.keyed {
            let row = NewAnswer {
                key: &keyed.key,
                fingerprint: &keyed.fingerprint,
                answer: &answer.to_json()?,
                retention,
            };
            if !DB::insert(&mut tx, row).await.map_err(not_committed)? {
                let lost = ServiceError::Aborted("another did the command".into());
                return Err(lost.with_retry_after(Claim::RETRY_AFTER));
            }
        }
        tx.commit().await.map_err(not_committed)?;
        if !answer.is_failure() {
            after_commit.call();
        }
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<(), ServiceError> {
        Ok(self.slot.take()?.tx.rollback().await?)
    }
}

impl<DB: IdempotencyDatabase> Drop for SqlClaim<DB> {
    fn drop(&mut self) {
        // Whoever still has the request's extensions doesn't keep the key locked.
        drop(self.slot.take());
    }
}

/// Where a connection breaks in a commit, nobody knows whether it happened; the next attempt finds out.
fn not_committed(error: sqlx::Error) -> ServiceError {
    match error {
        sqlx::Error::Database(_) => error.into(),
        _ => ServiceError::ServiceUnavailable("the outcome of the command is unknown".into())
            .with_source(error),
    }
}
