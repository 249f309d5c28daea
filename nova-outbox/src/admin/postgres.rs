//! Operations on PostgreSQL: every statement is unprepared and inside a transaction, as those of the relay.

mod dead_letters;
mod list;
mod summary;
mod survey;

use async_trait::async_trait;
use nova_errors::ServiceError;
use sqlx::PgPool;
use uuid::Uuid;

use super::batches::{Batch, Span};
use super::store::AdminStore;
use super::survey::Survey;
use crate::{EventDetails, EventFilter, ListedEvent, OutboxSummary, SchemaVersion, Shelf};

#[derive(Debug)]
pub(super) struct PostgresAdmin {
    pool: PgPool,
}

impl PostgresAdmin {
    pub(super) const fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl AdminStore for PostgresAdmin {
    async fn migrate(&self) -> Result<(), ServiceError> {
        crate::migrate(&self.pool).await
    }

    async fn schema_version(&self) -> Result<SchemaVersion, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let version = summary::schema_version(&mut tx).await?;
        tx.commit().await?;
        Ok(version)
    }

    async fn summary(&self) -> Result<OutboxSummary, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let summary = summary::summary(&mut tx).await?;
        tx.commit().await?;
        Ok(summary)
    }

    async fn list(
        &self,
        shelf: Shelf,
        filter: &EventFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ListedEvent>, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let events = list::list(&mut tx, shelf, filter, after, limit).await?;
        tx.commit().await?;
        Ok(events)
    }

    async fn find(&self, id: Uuid) -> Result<Vec<EventDetails>, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let events = list::find(&mut tx, id).await?;
        tx.commit().await?;
        Ok(events)
    }

    async fn span(&self, filter: &EventFilter) -> Result<Span, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let span = dead_letters::span(&mut tx, filter).await?;
        tx.commit().await?;
        Ok(span)
    }

    async fn replay(
        &self,
        filter: &EventFilter,
        span: Span,
        limit: u32,
    ) -> Result<Batch, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let batch = dead_letters::replay(&mut tx, filter, span, limit).await?;
        tx.commit().await?;
        Ok(batch)
    }

    async fn purge(
        &self,
        filter: &EventFilter,
        span: Span,
        limit: u32,
    ) -> Result<Batch, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let batch = dead_letters::purge(&mut tx, filter, span, limit).await?;
        tx.commit().await?;
        Ok(batch)
    }

    async fn survey(&self) -> Result<Survey, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let summary = summary::summary(&mut tx).await?;
        let survey = survey::survey(&mut tx, summary).await?;
        tx.commit().await?;
        Ok(survey)
    }
}
