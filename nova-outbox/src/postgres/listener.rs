use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use nova_errors::{Backoff, Chain, ServiceError};
use nova_service::{BackgroundWorker, Shutdown, WorkerError};
use sqlx::postgres::PgListener;
use sqlx::{PgPool, Postgres};

use super::notifier::CHANNEL;
use crate::Outbox;
use crate::wake_up::WakeUp;

/// Wakes the relays of this process when another one has [notified](super::PostgresNotifier) of a commit. Optional: without it they
/// poll.
///
/// It keeps one connection of `pool` for itself, and opens another when that is lost; the relay reads then, as a notification may be
/// lost with it. A connection that dies without a sign leaves the relays to their polling until the system notices. Notifications do not pass a
/// pooler in transaction mode: give it a pool that leads to PostgreSQL directly, of one connection.
pub struct PostgresListener {
    pool: PgPool,
    wake: WakeUp,
    listens: AtomicBool,
}

impl PostgresListener {
    /// A listener that wakes the relays which are [woken by](crate::OutboxProcessor::wake_on) `outbox` or a clone.
    #[must_use]
    pub fn new(pool: PgPool, outbox: &Outbox<Postgres>) -> Self {
        Self {
            pool,
            wake: outbox.wake_up().clone(),
            listens: AtomicBool::new(false),
        }
    }

    /// Listens until something goes wrong.
    async fn listen(&self) -> Result<Infallible, sqlx::Error> {
        let schema: Option<String> = sqlx::query_scalar("SELECT current_schema()::text")
            .persistent(false)
            .fetch_one(&self.pool)
            .await?;
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        self.listens.store(true, Ordering::Relaxed);
        // What was committed before it listened.
        self.wake.notified();
        loop {
            match listener.try_recv().await? {
                Some(told) if Some(told.payload()) != schema.as_deref() => {}
                // A lost connection is nothing too: it listens again on a new one.
                Some(_) | None => self.wake.notified(),
            }
        }
    }

    async fn keep_listening(&self) {
        let mut failures = 0;
        loop {
            let Err(error) = self.listen().await;
            if self.listens.swap(false, Ordering::Relaxed) {
                failures = 0;
            }
            failures += 1;
            let error = ServiceError::from(error);
            tracing::warn!(error = %Chain(&error), "cannot listen for the outbox, its relays poll");
            tokio::time::sleep(Backoff::STANDARD.delay(failures, fastrand::u64(..))).await;
        }
    }
}

#[async_trait]
impl BackgroundWorker for PostgresListener {
    fn name(&self) -> &str {
        "outbox-listener"
    }

    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.keep_listening() => {}
        }
        self.listens.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn health_check(&self) -> Result<(), ServiceError> {
        if self.listens.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(ServiceError::ServiceUnavailable(
            "outbox listener is not connected".into(),
        ))
    }
}

impl fmt::Debug for PostgresListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresListener").finish_non_exhaustive()
    }
}
