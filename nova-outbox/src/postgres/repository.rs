use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use sqlx::PgPool;

use super::{leases, outcomes, read};
use crate::{
    Bucket, Lease, OutboxStats, OutboxStore, Outcomes, ReadBatch, ReadRequest, RelayId, Settled,
    Tenancy,
};

/// The outbox tables on PostgreSQL, for the relay.
///
/// It takes a connection from the pool for each round of work, at most two at once. Through PgBouncer
/// in transaction mode it needs no setting: statements are unprepared, and nothing outlives a transaction.
#[derive(Debug, Clone)]
pub struct PostgresOutboxRepository {
    pool: PgPool,
}

impl PostgresOutboxRepository {
    /// A repository over the database of `pool`, whose tables [`migrate`](crate::migrate) has made.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

impl From<PgPool> for PostgresOutboxRepository {
    fn from(pool: PgPool) -> Self {
        Self::new(pool)
    }
}

#[async_trait]
impl OutboxStore for PostgresOutboxRepository {
    async fn hold_leases(&self, relay: RelayId, ttl: Duration) -> Result<Tenancy, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let tenancy = leases::hold(&mut tx, relay, ttl).await?;
        tx.commit().await?;
        Ok(tenancy)
    }

    async fn release(&self, relay: RelayId, leases: &[Lease]) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin().await?;
        leases::release(&mut tx, relay, leases).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn leave(&self, relay: RelayId) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin().await?;
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
        let mut tx = self.pool.begin().await?;
        let settled = outcomes::settle(&mut tx, relay, outcomes).await?;
        tx.commit().await?;
        Ok(settled)
    }

    async fn stats(&self, buckets: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let stats = read::stats(&mut tx, buckets).await?;
        tx.commit().await?;
        Ok(stats)
    }
}
