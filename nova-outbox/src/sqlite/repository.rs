use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use sqlx::SqlitePool;

use super::{leases, outcomes, read, scheduled};
use crate::{
    Bucket, Lease, Moved, OutboxStats, OutboxStore, Outcomes, ReadBatch, ReadRequest, RelayId,
    Settled, Tenancy,
};

/// The outbox tables on SQLite, for the relay.
///
/// It takes a connection from the pool for each round of work, and never a second one inside of it: a pool
/// of one connection is enough. Set a busy time-out (sqlx: 5 s by default) and the WAL journal, so that the relay and the service
/// wait for each other instead of failing.
#[derive(Debug, Clone)]
pub struct SqliteOutboxRepository {
    pool: SqlitePool,
}

impl SqliteOutboxRepository {
    /// A repository over the database of `pool`, whose tables [`migrate`](crate::migrate) has made.
    #[must_use]
    pub const fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }
}

impl From<SqlitePool> for SqliteOutboxRepository {
    fn from(pool: SqlitePool) -> Self {
        Self::new(pool)
    }
}

#[async_trait]
impl OutboxStore for SqliteOutboxRepository {
    async fn hold_leases(&self, relay: RelayId, ttl: Duration) -> Result<Tenancy, ServiceError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let tenancy = leases::hold(&mut tx, relay, ttl).await?;
        tx.commit().await?;
        Ok(tenancy)
    }

    async fn release(&self, relay: RelayId, leases: &[Lease]) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        leases::release(&mut tx, relay, leases).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn leave(&self, relay: RelayId) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        leases::leave(&mut tx, relay).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn read(&self, request: ReadRequest<'_>) -> Result<ReadBatch, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let batch = read::read(&mut tx, request).await?;
        tx.commit().await?;
        Ok(batch)
    }

    async fn settle(&self, relay: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let settled = outcomes::settle(&mut tx, relay, outcomes).await?;
        tx.commit().await?;
        Ok(settled)
    }

    async fn move_due(
        &self,
        relay: RelayId,
        buckets: &[Bucket],
        limit: u32,
    ) -> Result<Moved, ServiceError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let moved = scheduled::move_due(&mut tx, relay, buckets, limit).await?;
        tx.commit().await?;
        Ok(moved)
    }

    async fn stats(&self, buckets: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let stats = read::stats(&mut tx, buckets).await?;
        tx.commit().await?;
        Ok(stats)
    }
}
