use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use nova_events::NewEvent;
use sqlx::{Executor, Pool};
use uuid::Uuid;

use super::TestOutbox;
use crate::{Outbox, OutboxDatabase, OutboxRepository, OutboxStore, migrate};

/// The outbox of one of this crate's databases, to be tested.
pub struct SqlOutbox<DB: OutboxDatabase> {
    pool: Pool<DB>,
    outbox: Outbox<DB>,
    repository: OutboxRepository<DB>,
}

impl<DB: OutboxDatabase> SqlOutbox<DB> {
    /// An outbox in an empty database.
    ///
    /// # Panics
    ///
    /// Where the tables can't be made.
    pub async fn new(pool: Pool<DB>) -> Self {
        migrate(&pool).await.unwrap();
        Self {
            outbox: Outbox::new(),
            repository: pool.clone().into(),
            pool,
        }
    }
}

impl<DB: OutboxDatabase> std::fmt::Debug for SqlOutbox<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlOutbox").finish_non_exhaustive()
    }
}

#[async_trait]
impl<DB: OutboxDatabase> TestOutbox for SqlOutbox<DB>
where
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
{
    fn store(&self) -> &dyn OutboxStore {
        &self.repository
    }

    async fn enqueue(&self, events: Vec<NewEvent>) {
        let mut tx = self.pool.begin().await.unwrap();
        self.outbox.enqueue_all(&mut tx, events).await.unwrap();
        self.outbox.commit(tx).await.unwrap();
    }

    async fn schedule(&self, event: NewEvent, seconds: i64) {
        let when = Utc::now() + TimeDelta::seconds(seconds);
        let mut tx = self.pool.begin().await.unwrap();
        self.outbox.enqueue_at(&mut tx, event, when).await.unwrap();
        self.outbox.commit(tx).await.unwrap();
    }

    async fn cancel(&self, event_id: Uuid) -> bool {
        let mut tx = self.pool.begin().await.unwrap();
        let cancelled = self.outbox.cancel(&mut tx, event_id).await.unwrap();
        self.outbox.commit(tx).await.unwrap();
        cancelled
    }

    async fn expire_leases(&self) {
        self.pool.execute(DB::EXPIRE_LEASES).await.unwrap();
    }
}
