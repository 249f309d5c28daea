use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::{Backoff, Chain, ServiceError};
use nova_service::{BackgroundWorker, Shutdown, WorkerError};
use sqlx::{PgPool, Postgres};

use crate::Outbox;
use crate::wake_up::{WakeUp, Waker};

/// The channel; the payload is the schema, so that outboxes of one database don't wake each other.
pub(super) const CHANNEL: &str = "nova_outbox";

const NOTIFY: &str = "SELECT pg_notify('nova_outbox', current_schema())";

/// Tells the relays of other processes, by `NOTIFY`, that this process has committed something. Optional: without it they find it
/// by polling.
///
/// Run it beside the relay, or alone in a process that enqueues and does not relay, under a `nova_service::Supervisor`; the other
/// end is [`PostgresListener`](super::PostgresListener).
///
/// The `NOTIFY` is no part of a business transaction: one that is makes all commits of the database wait for each other. It is sent after
/// [`Outbox::commit`], on a connection from the pool, at most every [`INTERVAL`](Self::INTERVAL) however many transactions are
/// committed. A plain `tx.commit()` sends none. It works through PgBouncer in transaction mode.
///
/// ```no_run
/// use nova_outbox::{Outbox, PostgresListener, PostgresNotifier};
/// # fn example(pool: sqlx::PgPool, direct: sqlx::PgPool, outbox: Outbox<sqlx::Postgres>) {
/// let workers = (
///     PostgresNotifier::new(pool, &outbox),
///     // Not through a pooler.
///     PostgresListener::new(direct, &outbox),
/// );
/// # }
/// ```
pub struct PostgresNotifier {
    pool: PgPool,
    wake: WakeUp,
}

impl PostgresNotifier {
    /// The least time between two notifications; what is committed meanwhile goes into the second.
    pub const INTERVAL: Duration = Duration::from_millis(5);

    /// How long a notification may take.
    const TIME_LIMIT: Duration = Duration::from_secs(5);

    /// A notifier of the commits through `outbox` and its clones.
    #[must_use]
    pub fn new(pool: PgPool, outbox: &Outbox<Postgres>) -> Self {
        let wake = outbox.wake_up().clone();
        Self { pool, wake }
    }

    async fn notify(&self) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(NOTIFY)
            .persistent(false)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn notify_in_time(&self) -> Result<(), ServiceError> {
        match tokio::time::timeout(Self::TIME_LIMIT, self.notify()).await {
            Ok(result) => result,
            Err(_elapsed) => Err(ServiceError::Timeout("notify the outbox relays".into())),
        }
    }

    async fn forward(&self, waker: &mut Waker) {
        let mut failures = 0;
        loop {
            while !waker.woken().await.committed {}
            let wait = match self.notify_in_time().await {
                Ok(()) => {
                    failures = 0;
                    Self::INTERVAL
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(error = %Chain(&error), "cannot notify the outbox relays, they poll");
                    Backoff::STANDARD.delay(failures, fastrand::u64(..))
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}

#[async_trait]
impl BackgroundWorker for PostgresNotifier {
    fn name(&self) -> &str {
        "outbox-notifier"
    }

    /// Notifies until `shutdown` is asked for. What was committed just before may not be told: it is found by polling.
    async fn run(&self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let mut waker = self.wake.subscribe();
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.forward(&mut waker) => {}
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresNotifier").finish_non_exhaustive()
    }
}
