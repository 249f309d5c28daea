use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use nova_errors::ServiceError;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::BatchHandler;
use super::handler::{Attempt, Handler, Handling};
use crate::{ConsumerGroup, EventMetadata, ReceivedRecord};

/// A handler as a tower service: what an `EventConsumerBuilder::layer` wraps.
pub type EventService = BoxCloneSyncService<EventRequest, EventReply, ServiceError>;

/// One attempt at an event, as middleware sees it.
#[derive(Debug, Clone)]
pub struct EventRequest {
    record: Arc<ReceivedRecord>,
    metadata: EventMetadata,
    group: ConsumerGroup,
    limit: Duration,
}

impl EventRequest {
    /// The record.
    #[must_use]
    pub fn record(&self) -> &ReceivedRecord {
        &self.record
    }

    /// What it says beside its payload.
    #[must_use]
    pub const fn metadata(&self) -> &EventMetadata {
        &self.metadata
    }

    /// The group that handles it.
    #[must_use]
    pub const fn group(&self) -> &ConsumerGroup {
        &self.group
    }
}

/// What a handler that did not fail answers; middleware hands it on.
pub struct EventReply(Handling);

impl fmt::Debug for EventReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReply").finish_non_exhaustive()
    }
}

/// A layer, whatever its type.
pub(crate) type Wrap = Box<dyn Fn(EventService) -> EventService + Send + Sync>;

pub(crate) fn wrap<L>(layer: L) -> Wrap
where
    L: Layer<EventService> + Send + Sync + 'static,
    L::Service: Service<EventRequest, Response = EventReply, Error: Into<ServiceError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Box::new(move |inner| {
        let service = layer.layer(inner).map_err(Into::into);
        BoxCloneSyncService::new(service)
    })
}

/// A handler with middleware around it. The first layer is the outermost one.
pub(crate) fn layered(handler: Arc<dyn Handler>, layers: &[Wrap]) -> Arc<dyn Handler> {
    if layers.is_empty() {
        return handler;
    }
    let innermost = BoxCloneSyncService::new(Innermost(Arc::clone(&handler)));
    let service = layers
        .iter()
        .rev()
        .fold(innermost, |inner, wrap| wrap(inner));
    Arc::new(LayeredHandler { handler, service })
}

struct LayeredHandler {
    handler: Arc<dyn Handler>,
    service: EventService,
}

impl Handler for LayeredHandler {
    fn is_atomic(&self) -> bool {
        self.handler.is_atomic()
    }

    fn handle<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Handling, ServiceError>> {
        let request = EventRequest {
            record: Arc::new(attempt.record.clone()),
            metadata: attempt.metadata,
            group: attempt.group.clone(),
            limit: attempt.limit,
        };
        let reply = self.service.clone().oneshot(request);
        reply
            .map(|reply| reply.map(|EventReply(handling)| handling))
            .boxed()
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    fn batch(&self) -> Option<&dyn BatchHandler> {
        self.handler.batch()
    }
}

/// The handler itself.
#[derive(Clone)]
struct Innermost(Arc<dyn Handler>);

impl Service<EventRequest> for Innermost {
    type Response = EventReply;
    type Error = ServiceError;
    type Future = BoxFuture<'static, Result<EventReply, ServiceError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: EventRequest) -> Self::Future {
        let handler = Arc::clone(&self.0);
        async move {
            let attempt = Attempt {
                record: &request.record,
                metadata: request.metadata,
                group: &request.group,
                limit: request.limit,
            };
            handler.handle(attempt).await.map(EventReply)
        }
        .boxed()
    }
}
