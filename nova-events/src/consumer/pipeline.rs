use std::sync::Arc;
use std::time::Duration;

use nova_errors::{Backoff, Chain, FailedAttempt, RetryDecision, RetryPolicy, ServiceError};
use nova_models::CallContext;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};
use tracing::Instrument;
use uuid::Uuid;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::Batch;
use super::handler::{Attempt, Handling};
use super::meters::Meters;
use super::routes::Route;
use super::within::within;
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
    /// How many records a batch has at most.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        expect(dead_code, reason = "there are no batches without an inbox")
    )]
    pub(crate) batch_size: usize,
    pub(crate) meters: Meters,
    /// As many attempts run at once; none is held while an attempt waits for the next.
    pub(crate) permits: Semaphore,
}

/// An event that is being seen through.
struct Current<'a> {
    record: &'a ReceivedRecord,
    route: &'a Route,
    event_id: Uuid,
}

/// The label of event types that no handler is registered for: what others send must not make labels.
const UNROUTED: &str = "unknown";

/// How much longer than the handler's time-out a claim lasts, so that it cannot run out under a handler.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

/// How long a call to the idempotency store may take.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_secs(5);

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
        let event = Current {
            record,
            route,
            event_id: metadata.event_id,
        };
        let mut metadata = Some(metadata);
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&event, &mut metadata, stop).await? {
                Ok(outcome) => return Some(outcome),
                Err(error) => error,
            };
            let failed = FailedAttempt::number(attempt)
                .idempotent(true)
                .elapsed(started.elapsed());
            match self.retry.decide(&error, failed, fastrand::u64(..)) {
                RetryDecision::RetryAfter(wait) => {
                    tracing::warn!(
                        event_id = %event.event_id,
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
        event: &Current<'_>,
        metadata: &mut Option<EventMetadata>,
        stop: &Stop,
    ) -> Option<Result<Outcome, ServiceError>> {
        if event.route.handler.is_atomic() {
            return self.attempt_atomic(event, metadata, stop).await;
        }
        let Some(store) = &self.idempotency else {
            let _permit = self.permit(stop).await?;
            let handled = self.run(event, metadata, stop).await?;
            return Some(handled.map(|_| Outcome::Handled));
        };
        let key = IdempotencyKey::new(self.group.clone(), event.event_id);
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
                Err(error) if error.is_retryable() => {
                    drop(permit);
                    failures = failures.saturating_add(1);
                    self.wait_for_the_store(event, failures, &error, stop)
                        .await?;
                }
                Err(error) => return Some(Err(error)),
            }
        };
        let handled = self.run(event, metadata, stop).await;
        self.settle(store.as_ref(), &key, claim, matches!(handled, Some(Ok(_))))
            .await;
        Some(handled?.map(|_| Outcome::Handled))
    }

    /// The handler marks the event itself. What it has to wait for costs the event no attempt.
    async fn attempt_atomic(
        &self,
        event: &Current<'_>,
        metadata: &mut Option<EventMetadata>,
        stop: &Stop,
    ) -> Option<Result<Outcome, ServiceError>> {
        let mut failures = 0_u32;
        loop {
            let permit = self.permit(stop).await?;
            let handled = self.run(event, metadata, stop).await?;
            drop(permit);
            match handled {
                Ok(Handling::Handled) => return Some(Ok(Outcome::Handled)),
                Ok(Handling::Duplicate) => return Some(Ok(Outcome::Duplicate)),
                Ok(Handling::Held(wait)) => {
                    stop.until_drain(sleep(wait)).await?;
                }
                Ok(Handling::Away(error)) => {
                    failures = failures.saturating_add(1);
                    self.wait_for_the_store(event, failures, &error, stop)
                        .await?;
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// A store that is away says nothing about the event, which is to pay no attempt for it.
    async fn wait_for_the_store(
        &self,
        event: &Current<'_>,
        failures: u32,
        error: &ServiceError,
        stop: &Stop,
    ) -> Option<()> {
        tracing::warn!(
            event_id = %event.event_id,
            failures,
            error = %Chain(error),
            "an event could not be claimed; it is tried again"
        );
        let wait = Backoff::STANDARD.delay(failures, fastrand::u64(..));
        stop.until_drain(sleep(wait)).await
    }

    async fn permit(&self, stop: &Stop) -> Option<SemaphorePermit<'_>> {
        match self.permits.try_acquire() {
            Ok(permit) if !stop.is_draining() => Some(permit),
            _ => stop.until_drain(self.permits.acquire()).await?.ok(),
        }
    }

    async fn claim(
        &self,
        store: &dyn IdempotencyStore,
        key: &IdempotencyKey,
    ) -> Result<Claim, ServiceError> {
        let lease = self.handler_timeout.saturating_add(LEASE_MARGIN);
        within(STORE_TIMEOUT, store.claim(key, lease))
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
        let settled = within(STORE_TIMEOUT, call)
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
        event: &Current<'_>,
        metadata: &mut Option<EventMetadata>,
        stop: &Stop,
    ) -> Option<Result<Handling, ServiceError>> {
        // The handler keeps it; further attempts, which are rare, read it again.
        let metadata = match metadata.take().map_or_else(|| event.record.metadata(), Ok) {
            Ok(metadata) => metadata,
            Err(poison) => return Some(Err(poison)),
        };
        let span = tracing::info_span!(
            "process",
            messaging.destination.name = %metadata.topic,
            messaging.consumer.group.name = %self.group,
            event_type = event.route.event_type,
            event_id = %event.event_id,
        );
        let context = call_context(&metadata);
        let handled = event.route.handler.handle(Attempt {
            record: event.record,
            metadata,
            group: &self.group,
            limit: self.handler_timeout,
        });
        stop.until_cancel(context.scope(handled).instrument(span))
            .await
    }

    /// The route of a record that can be handled in a batch.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn batch_route(&self, record: &ReceivedRecord) -> Option<&Route> {
        record.record().value()?;
        let route = self.routes.get(record.event_type().ok()?)?;
        route.handler.batch().map(|_| route)
    }

    /// Sees records of one event type through together. Those without an outcome have to be seen through by themselves.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) async fn process_batch(
        &self,
        event_type: &'static str,
        records: &[&ReceivedRecord],
        stop: &Stop,
    ) -> Vec<Option<Outcome>> {
        let alone = || vec![None; records.len()];
        let handler = self.routes.get(event_type).map(|route| &route.handler);
        let Some(handler) = handler.and_then(|handler| handler.batch()) else {
            return alone();
        };
        let Some(_permit) = self.permit(stop).await else {
            return alone();
        };
        let started = Instant::now();
        let span = tracing::info_span!(
            "process",
            messaging.consumer.group.name = %self.group,
            messaging.batch.message_count = records.len(),
            event_type,
        );
        let handled = handler.handle_all(Batch {
            records,
            group: &self.group,
            limit: self.handler_timeout,
            stop,
        });
        let handled = stop.until_cancel(handled.instrument(span)).await;
        let outcomes = handled.unwrap_or_else(alone);
        for (record, outcome) in records.iter().zip(&outcomes) {
            if let Some(outcome) = outcome {
                self.count(record, event_type, *outcome, started.elapsed());
            }
        }
        outcomes
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
        self.meters
            .count(record.record().topic(), event_type, outcome, took);
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
