use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use nova_errors::{Effect, ServiceError};
use sqlx::Transaction;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use super::IdempotencyDatabase;
use crate::panic::Panic;

/// The transaction of a command, as an argument of its handler: what is written in it happens with the command's answer, and not
/// without. It derefs to [`sqlx::Transaction`].
///
/// A [`SqlIdempotencyStore`](crate::SqlIdempotencyStore) gives it, where its layer is around the endpoint. It is committed or rolled back by that layer, after the
/// handler; one that outlives the handler keeps the command from being done. What waits for the commit, such as the relay of an outbox, is told by
/// [`after_commit`](Self::after_commit).
///
/// The handler leaves the session's role and search path as they are, or puts them back: the answer is written after it, to the table that was looked into
/// before it.
///
/// ```
/// use nova_errors::ServiceError;
/// use nova_service::{Command, CommandReply, CommandTransaction};
///
/// async fn rename(
///     mut tx: CommandTransaction<sqlx::Sqlite>,
///     command: Command<String>,
/// ) -> Result<CommandReply<u64>, ServiceError> {
///     let done = sqlx::query("UPDATE profiles SET name = $1")
///         .bind(command.as_str())
///         .execute(&mut **tx)
///         .await?;
///     // outbox.enqueue(&mut tx, &ProfileUpdated { … }).await?;
///     // tx.after_commit(move || outbox.wake());
///     Ok(command.reply(done.rows_affected()))
/// }
/// ```
pub struct CommandTransaction<DB: IdempotencyDatabase>(
    OwnedMappedMutexGuard<Option<Open<DB>>, Open<DB>>,
);

/// A transaction, and who is to be told of its commit.
pub(super) struct Open<DB: IdempotencyDatabase> {
    pub(super) tx: Transaction<'static, DB>,
    pub(super) after_commit: AfterCommit,
}

/// What is called after the commit, in order.
#[derive(Default)]
pub(super) struct AfterCommit(Vec<Box<dyn FnOnce() + Send>>);

impl AfterCommit {
    pub(super) fn call(self) {
        for call in self.0 {
            // What is committed stays so, and is answered.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                let panic = Panic::new(payload.as_ref());
                tracing::error!(error = %panic, "what was to be done after a commit");
            }
        }
    }
}

/// Where the layer puts the transaction, and takes it from when the handler is done.
pub(super) struct Slot<DB: IdempotencyDatabase>(Arc<Mutex<Option<Open<DB>>>>);

impl<DB: IdempotencyDatabase> Slot<DB> {
    pub(super) fn new(tx: Transaction<'static, DB>) -> Self {
        let after_commit = AfterCommit::default();
        Self(Arc::new(Mutex::new(Some(Open { tx, after_commit }))))
    }

    /// The transaction, unless the handler has kept it.
    pub(super) fn take(&self) -> Result<Open<DB>, ServiceError> {
        let open = self.0.try_lock().ok().and_then(|mut slot| slot.take());
        open.ok_or_else(|| {
            ServiceError::Internal("the command's transaction outlived its handler".into())
        })
    }

    fn lend(self) -> Option<CommandTransaction<DB>> {
        let guard = self.0.try_lock_owned().ok()?;
        let lent = OwnedMutexGuard::try_map(guard, Option::as_mut).ok()?;
        Some(CommandTransaction(lent))
    }
}

impl<DB: IdempotencyDatabase> Clone for Slot<DB> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<DB: IdempotencyDatabase, S: Send + Sync> FromRequestParts<S> for CommandTransaction<DB> {
    type Rejection = ServiceError;

    /// # Errors
    ///
    /// `Internal` where no layer with an SQL store of this database is around the endpoint, or the handler has the transaction already.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ServiceError> {
        Self::of(Some(&parts.extensions))
    }
}

impl<DB: IdempotencyDatabase> CommandTransaction<DB> {
    /// Calls `notify` once the transaction is committed with the command's success; never for a failure, or for a command that is undone. Those that are
    /// there already are called first.
    ///
    /// It is for wake-ups, and for no effect of its own: where the process ends, the request is dropped in the commit or the commit's outcome is unknown, it is not
    /// called. It must not block. A panic in it is logged and changes nothing.
    ///
    /// ```
    /// # use nova_service::CommandTransaction;
    /// # fn example(mut tx: CommandTransaction<sqlx::Sqlite>) {
    /// let wake_up = std::sync::Arc::new(tokio::sync::Notify::new());
    /// tx.after_commit(move || wake_up.notify_one());
    /// # }
    /// ```
    pub fn after_commit(&mut self, notify: impl FnOnce() + Send + 'static) {
        self.0.after_commit.0.push(Box::new(notify));
    }

    /// The transaction that the layer has put into the request's extensions.
    pub(crate) fn of(extensions: Option<&Extensions>) -> Result<Self, ServiceError> {
        let slot = extensions.and_then(|extensions| extensions.get::<Slot<DB>>());
        slot.cloned()
            .ok_or("no layer with an SQL store is around the endpoint")
            .and_then(|slot| slot.lend().ok_or("the handler has it already"))
            .map_err(|why| {
                ServiceError::Internal("the command's transaction".into())
                    .with_source(why)
                    .with_effect(Effect::None)
            })
    }
}

impl<DB: IdempotencyDatabase> Deref for CommandTransaction<DB> {
    type Target = Transaction<'static, DB>;

    fn deref(&self) -> &Self::Target {
        &self.0.tx
    }
}

impl<DB: IdempotencyDatabase> DerefMut for CommandTransaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0.tx
    }
}

impl<DB: IdempotencyDatabase> fmt::Debug for CommandTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandTransaction").finish_non_exhaustive()
    }
}
