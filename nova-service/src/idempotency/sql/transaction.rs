use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use nova_errors::{Effect, ServiceError};
use sqlx::Transaction;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use super::IdempotencyDatabase;

/// The transaction of a command, as an argument of its handler: what is written in it happens with the command's answer, and not
/// without. It derefs to [`sqlx::Transaction`].
///
/// A [`SqlIdempotencyStore`](crate::SqlIdempotencyStore) gives it, where its layer is around the endpoint. It is committed or rolled back by that layer, after the
/// handler; one that outlives the handler keeps the command from being done. A wake-up that waits for the commit, such as that of an outbox's
/// relay, is for after the answer; the relay of `nova-outbox` finds what was enqueued within milliseconds by itself.
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
///     Ok(command.reply(done.rows_affected()))
/// }
/// ```
pub struct CommandTransaction<DB: IdempotencyDatabase>(
    OwnedMappedMutexGuard<Option<Transaction<'static, DB>>, Transaction<'static, DB>>,
);

/// Where the layer puts the transaction, and takes it from when the handler is done.
pub(super) struct Slot<DB: IdempotencyDatabase>(Arc<Mutex<Option<Transaction<'static, DB>>>>);

impl<DB: IdempotencyDatabase> Slot<DB> {
    pub(super) fn new(tx: Transaction<'static, DB>) -> Self {
        Self(Arc::new(Mutex::new(Some(tx))))
    }

    /// The transaction, unless the handler has kept it.
    pub(super) fn take(&self) -> Result<Transaction<'static, DB>, ServiceError> {
        let tx = self.0.try_lock().ok().and_then(|mut slot| slot.take());
        tx.ok_or_else(|| {
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
        &self.0
    }
}

impl<DB: IdempotencyDatabase> DerefMut for CommandTransaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<DB: IdempotencyDatabase> fmt::Debug for CommandTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandTransaction").finish_non_exhaustive()
    }
}
