use std::fmt::Debug;

use async_trait::async_trait;
use nova_errors::ServiceError;
use uuid::Uuid;

use super::batches::{Batch, Span};
use super::survey::Survey;
use crate::{EventDetails, EventFilter, ListedEvent, OutboxSummary, SchemaVersion, Shelf};

/// What operations need of a database. Every method is a round of work in a transaction of its own.
#[async_trait]
pub(super) trait AdminStore: Debug + Send + Sync + 'static {
    /// Makes the tables.
    async fn migrate(&self) -> Result<(), ServiceError>;

    async fn schema_version(&self) -> Result<SchemaVersion, ServiceError>;

    async fn summary(&self) -> Result<OutboxSummary, ServiceError>;

    /// At most `limit` events by rising number.
    async fn list(
        &self,
        shelf: Shelf,
        filter: &EventFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ListedEvent>, ServiceError>;

    async fn find(&self, id: Uuid) -> Result<Vec<EventDetails>, ServiceError>;

    /// The dead letters that match.
    async fn span(&self, filter: &EventFilter) -> Result<Span, ServiceError>;

    async fn replay(
        &self,
        filter: &EventFilter,
        span: Span,
        limit: u32,
    ) -> Result<Batch, ServiceError>;

    async fn purge(
        &self,
        filter: &EventFilter,
        span: Span,
        limit: u32,
    ) -> Result<Batch, ServiceError>;

    async fn survey(&self) -> Result<Survey, ServiceError>;
}
