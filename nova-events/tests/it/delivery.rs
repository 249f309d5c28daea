//! What becomes of one record, without a broker and on a stopped clock.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nova_errors::{RetryPolicy, ServiceError};
use nova_events::{
    Claim, ClaimId, Event, EventConsumer, EventConsumerBuilder, EventRecord, IdempotencyKey,
    IdempotencyStore, MemoryIdempotency, NewEvent, Outcome, ReceivedRecord, RecordingPublisher,
};
use nova_models::CallContext;
use tokio::sync::Notify;

use crate::probe::{Probe, probe, record};

const TOPIC: &str = "nova.test.events";

fn builder(dead_letters: &RecordingPublisher) -> EventConsumerBuilder {
    EventConsumer::builder()
        .brokers("127.0.0.1:1")
        .group("group")
        .topics([TOPIC])
        .dead_letters_to(dead_letters.clone())
}

/// A consumer whose handler fails `failures` times, and the count of its runs.
fn failing(
    failures: u32,
    error: ServiceError,
    letters: &RecordingPublisher,
) -> (EventConsumerBuilder, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let builder = builder(letters).on(move |_: Event<Probe>| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        let error = error.clone();
        async move { if run < failures { Err(error) } else { Ok(()) } }
    });
    (builder, runs)
}

fn received(record: EventRecord) -> ReceivedRecord {
    ReceivedRecord::new(record, 3, 14)
}

fn away() -> ServiceError {
    ServiceError::ServiceUnavailable("database".into())
}

fn header<'a>(record: &'a EventRecord, name: &str) -> &'a str {
    str::from_utf8(record.header(name).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_redelivered_event_is_handled_once() {
    let letters = RecordingPublisher::new();
    let (builder, runs) = failing(0, away(), &letters);
    let consumer = builder
        .idempotency(MemoryIdempotency::default())
        .build()
        .unwrap();
    let record = received(record(TOPIC, &probe("a", 1)));
    assert_eq!(consumer.deliver(record.clone()).await, Outcome::Handled);
    assert_eq!(consumer.deliver(record).await, Outcome::Duplicate);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_tried_again() {
    let letters = RecordingPublisher::new();
    let (builder, runs) = failing(2, away(), &letters);
    let consumer = builder
        .idempotency(MemoryIdempotency::default())
        .retry(RetryPolicy::standard())
        .build()
        .unwrap();
    let record = received(record(TOPIC, &probe("a", 1)));
    assert_eq!(consumer.deliver(record.clone()).await, Outcome::Handled);
    assert_eq!(consumer.deliver(record).await, Outcome::Duplicate);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert!(letters.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_good_is_a_dead_letter_with_its_cause_and_the_original() {
    let letters = RecordingPublisher::new();
    let cause = std::io::Error::other("disk on fire");
    let error = ServiceError::Internal("store post".into()).with_source(cause);
    let (builder, runs) = failing(9, error, &letters);
    let consumer = builder
        .idempotency(MemoryIdempotency::default())
        .build()
        .unwrap();
    let original = record(TOPIC, &probe("a", 1)).with_header("dlq_replay_count", "2");
    let outcome = consumer.deliver(received(original.clone())).await;
    assert_eq!(outcome, Outcome::DeadLettered);
    assert_eq!(runs.load(Ordering::SeqCst), 1);

    let letters = letters.records();
    let [letter] = letters.as_slice() else {
        panic!("expected one dead letter, got {letters:?}");
    };
    assert_eq!(letter.topic().as_str(), "nova.test.events.dlq");
    assert_eq!(letter.key(), original.key());
    assert_eq!(letter.value(), original.value());
    for (name, value) in original.headers() {
        assert_eq!(letter.header(name), value, "{name}");
    }
    let names: Vec<_> = letter.headers().map(|(name, _)| name).collect();
    insta::assert_json_snapshot!("dead_letter_headers", names);
    assert_eq!(header(letter, "dlq_error_code"), "internal");
    assert_eq!(
        header(letter, "dlq_error_message"),
        "store post: disk on fire"
    );
    assert_eq!(header(letter, "dlq_attempts"), "1");
    assert_eq!(header(letter, "dlq_consumer_group"), "group");
    assert_eq!(header(letter, "dlq_original_topic"), TOPIC);
    assert_eq!(header(letter, "dlq_original_partition"), "3");
    assert_eq!(header(letter, "dlq_original_offset"), "14");
    assert_eq!(header(letter, "dlq_replay_count"), "2");
    let failed_at = header(letter, "dlq_failed_at");
    assert!(chrono::DateTime::parse_from_rfc3339(failed_at).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_not_marked_as_handled() {
    let letters = RecordingPublisher::new();
    let (builder, _) = failing(1, ServiceError::Internal("bug".into()), &letters);
    let consumer = builder
        .idempotency(MemoryIdempotency::default())
        .build()
        .unwrap();
    let record = received(record(TOPIC, &probe("a", 1)));
    assert_eq!(
        consumer.deliver(record.clone()).await,
        Outcome::DeadLettered
    );
    // Replayed after a fix.
    assert_eq!(consumer.deliver(record).await, Outcome::Handled);
}

#[tokio::test(start_paused = true)]
async fn spent_attempts_are_a_dead_letter_that_says_how_many() {
    let letters = RecordingPublisher::new();
    let (builder, runs) = failing(9, away(), &letters);
    let consumer = builder
        .retry(RetryPolicy::standard().max_attempts(4))
        .build()
        .unwrap();
    let outcome = consumer
        .deliver(received(record(TOPIC, &probe("a", 1))))
        .await;
    assert_eq!(outcome, Outcome::DeadLettered);
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    let letter = letters.records().remove(0);
    assert_eq!(header(&letter, "dlq_attempts"), "4");
    assert_eq!(header(&letter, "dlq_error_code"), "service_unavailable");
}

#[tokio::test(start_paused = true)]
async fn poison_of_every_kind_is_a_dead_letter() {
    let letters = RecordingPublisher::new();
    let (builder, runs) = failing(0, away(), &letters);
    let consumer = builder.build().unwrap();
    let good = record(TOPIC, &probe("a", 1));
    let value = |bytes: &'static [u8]| {
        let record = EventRecord::new(
            good.topic().clone(),
            good.key().cloned(),
            Some(Bytes::from_static(bytes)),
        );
        good.headers().fold(record, |record, (name, value)| {
            record.with_header(name.to_owned(), Bytes::copy_from_slice(value.unwrap()))
        })
    };
    let bare = EventRecord::new(good.topic().clone(), None, good.value().cloned());
    let poison = [
        value(b"\xff\xfe\xfd"),
        value(b"{not json"),
        value(br#"{"key": 7, "number": "seven"}"#),
        bare.clone(),
        bare.clone().with_header("event_type", "test.probe"),
        bare.with_header("event_type", Bytes::from_static(b"\xff")),
    ];
    let count = poison.len();
    for record in poison {
        let outcome = consumer.deliver(received(record)).await;
        assert_eq!(outcome, Outcome::DeadLettered);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    let letters = letters.records();
    assert_eq!(letters.len(), count);
    for letter in letters {
        assert_eq!(header(&letter, "dlq_error_code"), "validation");
    }
}

#[tokio::test(start_paused = true)]
async fn without_dead_letters_a_failed_record_is_passed_over() {
    let letters = RecordingPublisher::new();
    let (builder, _) = failing(9, ServiceError::Internal("bug".into()), &letters);
    let consumer = builder.dead_letters(false).build().unwrap();
    let outcome = consumer
        .deliver(received(record(TOPIC, &probe("a", 1))))
        .await;
    assert_eq!(outcome, Outcome::Dropped);
    assert!(letters.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_tried_until_it_is_acknowledged() {
    let letters = RecordingPublisher::new();
    for _ in 0..20 {
        letters.fail_next(away());
    }
    let (builder, _) = failing(9, ServiceError::Internal("bug".into()), &letters);
    let consumer = builder.build().unwrap();
    let outcome = consumer
        .deliver(received(record(TOPIC, &probe("a", 1))))
        .await;
    assert_eq!(outcome, Outcome::DeadLettered);
    assert_eq!(letters.records().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_too_large_goes_without_its_value() {
    let letters = RecordingPublisher::new();
    letters.fail_next(ServiceError::PayloadTooLarge("record".into()));
    let (builder, _) = failing(9, ServiceError::Internal("bug".into()), &letters);
    let consumer = builder.build().unwrap();
    consumer
        .deliver(received(record(TOPIC, &probe("a", 1))))
        .await;
    let letter = letters.records().remove(0);
    assert_eq!(letter.value(), None);
    assert_eq!(header(&letter, "dlq_original_offset"), "14");
}

#[tokio::test(start_paused = true)]
async fn an_alias_is_routed_and_an_unknown_type_or_a_tombstone_skipped() {
    let letters = RecordingPublisher::new();
    let (builder, runs) = failing(0, away(), &letters);
    let consumer = builder.build().unwrap();
    let mut parts = NewEvent::new(&probe("a", 1)).unwrap().into_parts();
    parts.event_type = "ProbeEvent".into();
    let event = NewEvent::from_parts(parts.clone()).unwrap();
    let alias = EventRecord::from_event(&event, None, TOPIC.parse().unwrap());
    assert_eq!(consumer.deliver(received(alias)).await, Outcome::Handled);

    parts.event_type = "test.other".into();
    let event = NewEvent::from_parts(parts).unwrap();
    let unknown = EventRecord::from_event(&event, None, TOPIC.parse().unwrap());
    assert_eq!(consumer.deliver(received(unknown)).await, Outcome::Unknown);

    let tombstone = EventRecord::new(TOPIC.parse().unwrap(), None, None);
    let outcome = consumer.deliver(received(tombstone)).await;
    assert_eq!(outcome, Outcome::Tombstone);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(letters.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_stopped_tried_again_and_given_up() {
    let letters = RecordingPublisher::new();
    let consumer = builder(&letters)
        .on(async |_: Event<Probe>| pending().await)
        .handler_timeout(Duration::from_secs(1))
        .retry(RetryPolicy::standard().max_attempts(2))
        .build()
        .unwrap();
    let outcome = consumer
        .deliver(received(record(TOPIC, &probe("a", 1))))
        .await;
    assert_eq!(outcome, Outcome::DeadLettered);
    let letter = letters.records().remove(0);
    assert_eq!(header(&letter, "dlq_error_code"), "timeout");
    assert_eq!(header(&letter, "dlq_attempts"), "2");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_costs_its_record_alone() {
    let letters = RecordingPublisher::new();
    let consumer = builder(&letters)
        .on(async |event: Event<Probe>| {
            assert_ne!(event.number, 1, "the bug");
            Ok(())
        })
        .build()
        .unwrap();
    let bad = received(record(TOPIC, &probe("a", 1)));
    assert_eq!(consumer.deliver(bad).await, Outcome::DeadLettered);
    let good = received(record(TOPIC, &probe("a", 2)));
    assert_eq!(consumer.deliver(good).await, Outcome::Handled);
    let message = header(&letters.records()[0], "dlq_error_message").to_owned();
    assert_eq!(message, "handler panicked");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_another_handler_has_claimed_is_waited_for() {
    for first_succeeds in [true, false] {
        let letters = RecordingPublisher::new();
        let (entered, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let runs = Arc::new(AtomicU32::new(0));
        let seen = (Arc::clone(&entered), Arc::clone(&finish), Arc::clone(&runs));
        let store = MemoryIdempotency::default();
        let slow = builder(&letters)
            .on(move |_: Event<Probe>| {
                let (entered, finish, runs) = seen.clone();
                async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    entered.notify_one();
                    finish.notified().await;
                    let bug = ServiceError::Internal("bug".into());
                    if first_succeeds { Ok(()) } else { Err(bug) }
                }
            })
            .idempotency(store.clone())
            .build()
            .unwrap();
        let counted = Arc::clone(&runs);
        let quick = builder(&letters)
            .on(move |_: Event<Probe>| {
                counted.fetch_add(1, Ordering::SeqCst);
                async { Ok(()) }
            })
            .idempotency(store)
            .build()
            .unwrap();

        let record = received(record(TOPIC, &probe("a", 1)));
        let again = record.clone();
        let first = tokio::spawn(async move { slow.deliver(record).await });
        entered.notified().await;
        let second = tokio::spawn(async move { quick.deliver(again).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!second.is_finished(), "it is neither skipped nor run twice");
        finish.notify_one();
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let runs = runs.load(Ordering::SeqCst);
        if first_succeeds {
            assert_eq!(
                (first, second, runs),
                (Outcome::Handled, Outcome::Duplicate, 1)
            );
        } else {
            assert_eq!(
                (first, second, runs),
                (Outcome::DeadLettered, Outcome::Handled, 2)
            );
        }
    }
}

/// A store that fails the first claims.
struct AwayStore {
    failures: AtomicU32,
    inner: MemoryIdempotency,
}

#[async_trait]
impl IdempotencyStore for AwayStore {
    async fn claim(&self, key: &IdempotencyKey, lease: Duration) -> Result<Claim, ServiceError> {
        let left = |failures: u32| failures.checked_sub(1);
        let (get, set) = (Ordering::SeqCst, Ordering::SeqCst);
        if self.failures.fetch_update(set, get, left).is_ok() {
            return Err(away());
        }
        self.inner.claim(key, lease).await
    }

    async fn confirm(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        self.inner.confirm(key, claim).await
    }

    async fn release(&self, key: &IdempotencyKey, claim: ClaimId) -> Result<(), ServiceError> {
        self.inner.release(key, claim).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_store_that_is_away_costs_an_event_no_attempt() {
    let letters = RecordingPublisher::new();
    let (builder, runs) = failing(0, away(), &letters);
    let store = AwayStore {
        failures: AtomicU32::new(30),
        inner: MemoryIdempotency::default(),
    };
    let consumer = builder
        .retry(RetryPolicy::never())
        .idempotency(store)
        .build()
        .unwrap();
    let record = received(record(TOPIC, &probe("a", 1)));
    assert_eq!(consumer.deliver(record).await, Outcome::Handled);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(letters.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_sends_belongs_to_the_event_that_it_handles() {
    let letters = RecordingPublisher::new();
    let consumer = builder(&letters)
        .on(async |event: Event<Probe>| {
            let next = NewEvent::new(&probe("b", 1))?.caused_by(&event.metadata);
            assert_eq!(next.correlation_id(), Some("req-1"));
            let cause = event.metadata.event_id.to_string();
            assert_eq!(next.causation_id(), Some(cause.as_str()));
            Ok(())
        })
        .build()
        .unwrap();
    let mut context = CallContext::new();
    context.request_id = Some("req-1".parse().unwrap());
    let record = context.sync_scope(|| record(TOPIC, &probe("a", 1)));
    assert_eq!(consumer.deliver(received(record)).await, Outcome::Handled);
}
