use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nova_errors::ServiceError;
use sqlx::PgPool;
use tokio::time::Instant;

use super::floors::Floors;
use super::{leases, outcomes, read, scheduled};
use crate::{
    Bucket, Lease, Moved, OutboxStats, OutboxStore, Outcomes, ReadBatch, ReadRequest, RelayId,
    Settled, Tenancy,
};

/// The outbox tables on PostgreSQL, for the relay.
///
/// It takes a connection from the pool for each round of work, at most two at once. Through PgBouncer
/// in transaction mode statements are unprepared, and nothing outlives a transaction. What sqlx sends when it connects
/// needs one setting: either `ignore_startup_parameters = extra_float_digits` of PgBouncer, or the connect option
/// `extra_float_digits(None)`; a `search_path` is to be a setting of the role or of the database, not of the connection.
///
/// It remembers up to where each bucket is empty for good, so that deleted rows which a long transaction keeps in the
/// table cost little. That rests on the numbers being drawn by transactions that have an id: [`Outbox`](crate::Outbox) takes
/// care of it, and a row that is inserted by hand could be overlooked for up to a minute.
#[derive(Debug, Clone)]
pub struct PostgresOutboxRepository {
    pool: PgPool,
    floors: Arc<Floors>,
}

impl PostgresOutboxRepository {
    /// A repository over the database of `pool`, whose tables [`migrate`](crate::migrate) has made.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let floors = Arc::default();
        Self { pool, floors }
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
        let doubt = self.floors.in_doubt();
        let mut tx = self.pool.begin().await?;
        let tenancy = leases::hold(&mut tx, relay, ttl, self.floors.all()).await?;
        tx.commit().await?;
        doubt.end();
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
        let doubt = self.floors.in_doubt();
        let now = Instant::now();
        let mut tx = self.pool.begin().await?;
        if let Some(horizon) = self.floors.due(now) {
            let buckets: Vec<_> = Bucket::all().collect();
            let raised = read::advance(&mut tx, &buckets, &self.floors.all(), horizon).await?;
            self.floors.advance(horizon, &raised);
        }
        let floors = self.floors.for_read(now);
        let batch = read::read(&mut tx, request, &floors).await?;
        tx.commit().await?;
        self.floors.read(request.buckets, &floors, &batch, now);
        doubt.end();
        Ok(batch)
    }

    async fn settle(&self, relay: RelayId, outcomes: &Outcomes) -> Result<Settled, ServiceError> {
        let doubt = self.floors.in_doubt();
        let seen = self.floors.seen();
        let mut tx = self.pool.begin().await?;
        let (settled, xid) = outcomes::settle(&mut tx, relay, outcomes).await?;
        tx.commit().await?;
        if let Some(xid) = xid {
            self.floors.began_after(seen, xid);
        }
        doubt.end();
        Ok(settled)
    }

    async fn move_due(
        &self,
        relay: RelayId,
        buckets: &[Bucket],
        limit: u32,
    ) -> Result<Moved, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let moved = scheduled::move_due(&mut tx, relay, buckets, limit).await?;
        tx.commit().await?;
        Ok(moved)
    }

    async fn stats(&self, buckets: &[Bucket]) -> Result<OutboxStats, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let stats = read::stats(&mut tx, buckets, self.floors.all()).await?;
        tx.commit().await?;
        Ok(stats)
    }
}
