use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use nova_errors::{Backoff, Chain, FailedAttempt, RetryDecision, RetryPolicy, ServiceError};
use nova_models::CallContext;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use super::routes::Route;
use super::{DeadLetters, Outcome, Routes, Stop};
use crate::{
    Claim, ClaimId, ConsumerGroup, EventMetadata, IdempotencyKey, IdempotencyStore, ReceivedRecord,
};

/// What happens to one record: route, claim, handle, confirm; retry what may pass, and put what
/// will not into the dead letters.
pub(crate) struct Pipeline {
    pub(crate) group: ConsumerGroup,
    pub(crate) routes: Routes,
    pub(crate) retry: RetryPolicy,
    pub(crate) handler_timeout: Duration,
    pub(crate) idempotency: Option<Arc<dyn IdempotencyStore>>,
    pub(crate) dead_letters: Option<DeadLetters>,
    /// As many attempts run at once; none is held while an attempt waits for the next.
    pub(crate) permits: Semaphore,
}

/// The label of event types that no handler is registered for: what others send must not make labels.
const UNROUTED: &str = "unknown";

/// How much longer than the handler's time-out a claim lasts, so that it cannot run out under a handler.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

/// How long a call to the idempotency store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Sees a record through. `None` where it was given up because of `stop`: it is not done.
    pub(crate) async fn process(&self, record: &ReceivedRecord, stop: &Stop) -> Option<Outcome> {
        let started = Instant::now();
        let (event_type, outcome) = if record.record().value().is_none() {
            (UNROUTED, Outcome::Tombstone)
        } else {
            match record.event_type().map(|name| self.routes.get(name)) {
                Ok(Some(route)) => (route.event_type, self.handle(record, route, stop).await?),
                Ok(None) => (UNROUTED, Outcome::Unknown),
                Err(poison) => (UNROUTED, self.give_up(record, &poison, 1, stop).await?),
            }
        };
        self.count(record, event_type, outcome, started.elapsed());
        Some(outcome)
    }

    async fn handle(&self, record: &ReceivedRecord, route: &Route, stop: &Stop) -> Option<Outcome> {
        let metadata = match record.metadata() {
            Ok(metadata) => metadata,
            Err(poison) => return self.give_up(record, &poison, 1, stop).await,
        };
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match self.attempt(record, &metadata, route, stop).await? {
                Ok(outcome) => return Some(outcome),
                Err(error) => error,
            };
            let failed = FailedAttempt::number(attempt)
                .idempotent(true)
                .elapsed(started.elapsed());
            match self.retry.decide(&error, failed, fastrand::u64(..)) {
                RetryDecision::RetryAfter(wait) => {
                    tracing::warn!(
                        event_id = %metadata.event_id,
                        event_type = route.event_type,
                        attempt,
                        ?wait,
                        error = %Chain(&error),
                        "an event is tried again"
                    );
                    stop.until_drain(sleep(wait)).await?;
                    attempt = attempt.saturating_add(1);
                }
                RetryDecision::Stop(_) => {
                    return self.give_up(record, &error, attempt, stop).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        record: &ReceivedRecord,
        metadata: &EventMetadata,
        route: &Route,
        stop: &Stop,
    ) -> Option<Result<Outcome, ServiceError>> {
        let Some(store) = &self.idempotency else {
            let _permit = self.permit(stop).await?;
            let handled = self.run(record, metadata, route, stop).await?;
            return Some(handled.map(|()| Outcome::Handled));
        };
        let key = IdempotencyKey::new(self.group.clone(), metadata.event_id);
        let mut failures = 0_u32;
        let (claim, _permit) = loop {
            let permit = self.permit(stop).await?;
            match self.claim(store.as_ref(), &key).await {
                Ok(Claim::Acquired(claim)) => break (claim, permit),
                Ok(Claim::Done) => return Some(Ok(Outcome::Duplicate)),
                Ok(Claim::Held { retry_after }) => {
                    drop(permit);
                    stop.until_drain(sleep(retry_after)).await?;
                }
                // A store that is away says nothing about the event, which is to pay no attempt for it.
                Err(error) if error.is_retryable() => {
                    drop(permit);
                    failures = failures.saturating_add(1);
                    tracing::warn!(
                        event_id = %metadata.event_id,
                        failures,
                        error = %Chain(&error),
                        "an event could not be claimed; it is tried again"
                    );
                    let wait = Backoff::STANDARD.delay(failures, fastrand::u64(..));
                    stop.until_drain(sleep(wait)).await?;
                }
                Err(error) => return Some(Err(error)),
            }
        };
        let handled = self.run(record, metadata, route, stop).await;
        self.settle(store.as_ref(), &key, claim, matches!(handled, Some(Ok(()))))
            .await;
        Some(handled?.map(|()| Outcome::Handled))
    }

    async fn permit(&self, stop: &Stop) -> Option<SemaphorePermit<'_>> {
        stop.until_drain(self.permits.acquire()).await?.ok()
    }

    async fn claim(
        &self,
        store: &dyn IdempotencyStore,
        key: &IdempotencyKey,
    ) -> Result<Claim, ServiceError> {
        let lease = self.handler_timeout.saturating_add(LEASE_MARGIN);
        timeout(STORE_TIMEOUT, store.claim(key, lease))
            .await
            .unwrap_or_else(|_| Err(ServiceError::Timeout("claim an event".into())))
    }

    /// Confirms or gives back a claim. A failure costs at most that the event is handled again, after the lease.
    async fn settle(
        &self,
        store: &dyn IdempotencyStore,
        key: &IdempotencyKey,
        claim: ClaimId,
        handled: bool,
    ) {
        let call = if handled {
            store.confirm(key, claim)
        } else {
            store.release(key, claim)
        };
        let settled = timeout(STORE_TIMEOUT, call)
            .await
            .unwrap_or_else(|_| Err(ServiceError::Timeout("settle a claim".into())));
        if let Err(error) = settled {
            tracing::warn!(
                event_id = %key.event_id(),
                handled,
                error = %Chain(&error),
                "a claim could not be settled"
            );
        }
    }

    async fn run(
        &self,
        record: &ReceivedRecord,
        metadata: &EventMetadata,
        route: &Route,
        stop: &Stop,
    ) -> Option<Result<(), ServiceError>> {
        let span = tracing::info_span!(
            "process",
            messaging.destination.name = %metadata.topic,
            messaging.consumer.group.name = %self.group,
            event_type = route.event_type,
            event_id = %metadata.event_id,
        );
        let handler = AssertUnwindSafe(route.handler.handle(record, metadata.clone()));
        let handler = call_context(metadata).scope(handler.catch_unwind());
        let limited = timeout(self.handler_timeout, handler).instrument(span);
        Some(match stop.until_cancel(limited).await? {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(ServiceError::Internal("handler panicked".into())),
            Err(_elapsed) => Err(ServiceError::Timeout("event handler".into())),
        })
    }

    async fn give_up(
        &self,
        record: &ReceivedRecord,
        error: &ServiceError,
        attempts: u32,
        stop: &Stop,
    ) -> Option<Outcome> {
        tracing::error!(
            topic = %record.record().topic(),
            partition = record.partition(),
            offset = record.offset(),
            attempts,
            error = %Chain(error),
            "an event is given up"
        );
        let Some(dead_letters) = &self.dead_letters else {
            return Some(Outcome::Dropped);
        };
        dead_letters
            .send(record, &self.group, error, attempts, stop)
            .await?;
        metrics::counter!(
            "nova_consumer_dead_lettered_total",
            "group" => self.group.label(),
            "topic" => record.record().topic().label(),
            "code" => error.kind().code(),
        )
        .increment(1);
        Some(Outcome::DeadLettered)
    }

    fn count(
        &self,
        record: &ReceivedRecord,
        event_type: &'static str,
        outcome: Outcome,
        took: Duration,
    ) {
        metrics::counter!(
            "nova_consumer_handled_total",
            "group" => self.group.label(),
            "event_type" => event_type,
            "outcome" => outcome.as_str(),
        )
        .increment(1);
        metrics::histogram!(
            "messaging.process.duration",
            "messaging.destination.name" => record.record().topic().label(),
            "messaging.consumer.group.name" => self.group.label(),
            "event_type" => event_type,
        )
        .record(took);
    }
}

/// What the handler's own calls and events inherit.
fn call_context(metadata: &EventMetadata) -> CallContext {
    let mut context = CallContext::new();
    context.request_id = metadata
        .correlation_id
        .as_deref()
        .and_then(|id| id.parse().ok());
    context.trace.clone_from(&metadata.trace);
    context
}
