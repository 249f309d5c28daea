//! A service with an outbox, on a database of its own.

use std::time::Duration;

use nova_events::NewEvent;
use nova_outbox::{
    Bucket, Outbox, OutboxDatabase, OutboxProcessor, OutboxPublisher, OutboxRepository,
    OutboxStats, OutboxStore, migrate,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Pool, Sqlite, SqlitePool};
use tempfile::TempDir;

/// Longer than anything takes: a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Service<DB: OutboxDatabase> {
    pub(crate) pool: Pool<DB>,
    pub(crate) outbox: Outbox<DB>,
    _folder: Option<TempDir>,
}

impl Service<Sqlite> {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pool = sqlite_pool(&folder).await;
        Self {
            _folder: Some(folder),
            ..Self::on(pool).await
        }
    }
}

pub(crate) async fn sqlite_pool(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("outbox.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(30));
    SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await
        .unwrap()
}

impl<DB: OutboxDatabase> Service<DB> {
    pub(crate) async fn on(pool: Pool<DB>) -> Self {
        migrate(&pool).await.unwrap();
        let outbox = Outbox::builder("content-service").build().unwrap();
        Self {
            pool,
            outbox,
            _folder: None,
        }
    }

    pub(crate) fn repository(&self) -> OutboxRepository<DB> {
        self.pool.clone().into()
    }

    /// A relay that retries fast and is woken by the outbox.
    pub(crate) fn relay(&self, publisher: impl OutboxPublisher) -> OutboxProcessor {
        self.relay_on(self.repository(), publisher)
    }

    pub(crate) fn relay_on(
        &self,
        store: impl OutboxStore,
        publisher: impl OutboxPublisher,
    ) -> OutboxProcessor {
        let backoff = nova_errors::Backoff::new(Duration::from_millis(1), Duration::from_millis(4));
        OutboxProcessor::new(store, publisher, 100, Duration::from_millis(200), 3)
            .wake_on(&self.outbox)
            .backoff(backoff.unwrap())
    }

    pub(crate) async fn enqueue(&self, events: impl IntoIterator<Item = NewEvent>) {
        let mut tx = self.pool.begin().await.unwrap();
        self.outbox.enqueue_all(&mut tx, events).await.unwrap();
        self.outbox.commit(tx).await.unwrap();
    }

    pub(crate) async fn stats(&self) -> OutboxStats {
        let buckets: Vec<_> = Bucket::all().collect();
        self.repository().stats(&buckets).await.unwrap()
    }

    /// Waits until the outbox is empty.
    pub(crate) async fn drained(&self) {
        self.wait_for(|stats| stats.pending == 0).await;
    }

    /// Waits until the outbox is as it should be.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&OutboxStats) -> bool) -> OutboxStats {
        let wait = async {
            loop {
                let stats = self.stats().await;
                if condition(&stats) {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the outbox is not as it should be in time")
    }
}
