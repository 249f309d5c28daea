//! What others write: the platform's first generation, and whoever speaks CloudEvents.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::identity::{UserCreated, UserDeleted, UserProfileUpdated};
use nova_events::message::{MessageDeleted, MessagePersisted};
use nova_events::social::FollowCreated;
use nova_events::{
    DomainEvent, Event, EventConsumer, EventRecord, MemoryIdempotency, NewEvent, Outcome,
    ReceivedRecord, RecordingPublisher, Topic, domain_event,
};
use nova_models::ServiceName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

fn at() -> DateTime<Utc> {
    "2025-10-28T00:00:00Z".parse().unwrap()
}

fn follow() -> EventRecord {
    let follow = FollowCreated {
        follower_id: Uuid::from_u128(1),
        followee_id: Uuid::from_u128(2),
        created_at: at(),
    };
    let mut parts = NewEvent::new(&follow).unwrap().into_parts();
    parts.event_id = Uuid::from_u128(3);
    parts.created_at = at();
    let event = NewEvent::from_parts(parts).unwrap();
    EventRecord::from_event(&event, None, "nova.social.events".parse().unwrap())
}

fn service(name: &'static str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn header<'a>(record: &'a EventRecord, name: &str) -> Option<&'a str> {
    record
        .header(name)
        .map(|value| str::from_utf8(value).unwrap())
}

/// A record with these headers alone, and without a key.
fn bare(topic: &str, headers: &[(&'static str, &'static str)], value: &str) -> ReceivedRecord {
    let topic: Topic = topic.parse().unwrap();
    let record = EventRecord::new(topic, None, Some(Bytes::copy_from_slice(value.as_bytes())));
    let record = headers.iter().fold(record, |record, (name, value)| {
        record.with_header(*name, *value)
    });
    ReceivedRecord::new(record, 1, 2).with_timestamp(at())
}

#[test]
fn the_headers_of_cloudevents_stand_beside_ours() {
    let record = follow().with_cloud_events(&service("user-service"));
    let headers = record.headers();
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}={}", str::from_utf8(value.unwrap()).unwrap()))
        .collect();
    insta::assert_snapshot!(headers.join("\n"), @r"
    event_id=00000000-0000-0000-0000-000000000003
    event_type=social.follow.created
    aggregate_type=social
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    ce_specversion=1.0
    ce_id=00000000-0000-0000-0000-000000000003
    ce_source=user-service
    ce_type=social.follow.created
    ce_time=2025-10-28T00:00:00.000000Z
    content-type=application/json
    ");
}

#[test]
fn either_set_of_headers_says_the_same_of_an_event() {
    let both = follow()
        .with_header("source", "user-service")
        .with_cloud_events(&service("relay"));
    assert_eq!(header(&both, "ce_source"), Some("user-service"));
    let cloud_events = both
        .headers()
        .filter(|(name, _)| name.starts_with("ce_") || *name == "content-type");
    let alone = EventRecord::new(
        both.topic().clone(),
        both.key().cloned(),
        both.value().cloned(),
    );
    let alone = cloud_events.fold(alone, |record, (name, value)| {
        record.with_header(name.to_owned(), Bytes::copy_from_slice(value.unwrap()))
    });
    let read = |record| {
        let received = ReceivedRecord::new(record, 0, 0);
        received.decode::<FollowCreated>().unwrap()
    };
    assert_eq!(read(alone), read(both.clone()));
}

#[test]
fn headers_of_cloudevents_are_written_once_and_to_events_alone() {
    let source = service("user-service");
    let once = follow().with_cloud_events(&source);
    assert_eq!(once.clone().with_cloud_events(&source), once);
    let tombstone = EventRecord::tombstone("nova.social.events".parse().unwrap(), "key");
    assert_eq!(tombstone.clone().with_cloud_events(&source), tombstone);
}

#[test]
fn a_cloud_event_from_elsewhere_needs_neither_a_uuid_nor_a_key() {
    let read = |source, id| {
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_type", "com.example.thing"),
            ("ce_source", source),
            ("ce_id", id),
            (
                "ce_traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ];
        bare("things", &headers, "{}").metadata().unwrap()
    };
    let one = read("/sensors", "A-1");
    assert_eq!(one.event_id, read("/sensors", "A-1").event_id);
    assert_ne!(one.event_id, read("/sensors", "A-2").event_id);
    assert_ne!(one.event_id, read("/cameras", "A-1").event_id);
    let name = b"/sensors/A-1";
    assert_eq!(one.event_id, Uuid::new_v5(&Uuid::NAMESPACE_OID, name));
    assert_eq!(one.event_type, "com.example.thing");
    assert_eq!(one.aggregate_id, "");
    assert_eq!(one.created_at, at());
    assert!(one.trace.is_some());
}

#[test]
fn a_cloud_event_that_cannot_be_read_is_poison_by_name() {
    let poison = [
        (
            "content-type",
            "application/cloudevents+json; charset=UTF-8",
        ),
        ("content-type", "application/cloudevents-batch+json"),
        ("ce_specversion", "0.3"),
        ("ce_id", ""),
        ("ce_time", "yesterday"),
    ];
    for (name, value) in poison {
        let mut headers = vec![("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_type", "t")];
        headers.push((name, value));
        let error = bare("things", &headers, "{}").metadata().unwrap_err();
        let field = &error.violations()[0].field;
        assert!(
            field == name || (name == "ce_time" && field == "created_at"),
            "{field}"
        );
    }
    let typeless = [("ce_specversion", "1.0"), ("ce_id", "1")];
    let error = bare("things", &typeless, "{}").metadata().unwrap_err();
    assert_eq!(error.violations()[0].field, "event_type");
}

/// What came to handlers: the event type as it stood in the record, and the aggregate.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, String)>>>);

impl Seen {
    fn handler<T: DomainEvent>(
        &self,
    ) -> impl Fn(Event<T>) -> std::future::Ready<Result<(), ServiceError>> + Send + Sync + 'static
    {
        let seen = self.clone();
        move |event| {
            let key = event.payload.aggregate_id();
            seen.0
                .lock()
                .unwrap()
                .push((event.metadata.event_type, key));
            std::future::ready(Ok(()))
        }
    }

    fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A topic of the first generation that has no event in the catalogue.
#[derive(Serialize, Deserialize)]
struct OlderStreamEvent {
    stream: String,
}
domain_event! {
    OlderStreamEvent { event_type: "streaming.events", aggregate_type: "streaming", key: stream }
}

fn consumer(seen: &Seen, letters: &RecordingPublisher) -> EventConsumer {
    EventConsumer::builder()
        .brokers("127.0.0.1:1")
        .group("group")
        .topics(["message_persisted", "nova.identity.events"])
        .on(seen.handler::<MessagePersisted>())
        .on(seen.handler::<MessageDeleted>())
        .on(seen.handler::<UserCreated>())
        .on(seen.handler::<UserProfileUpdated>())
        .on(seen.handler::<UserDeleted>())
        .on(seen.handler::<OlderStreamEvent>())
        .idempotency(MemoryIdempotency::default())
        .dead_letters_to(letters.clone())
        .build()
        .unwrap()
}

const PERSISTED: &str = r#"{"message_id":"00000000-0000-0000-0000-000000000001",
    "conversation_id":"00000000-0000-0000-0000-000000000002",
    "sender_id":"00000000-0000-0000-0000-000000000003","created_at":"2025-10-28T00:00:00Z"}"#;
const DELETED: &str = r#"{"message_id":"00000000-0000-0000-0000-000000000001",
    "conversation_id":"00000000-0000-0000-0000-000000000002","deleted_at":"2025-10-28T00:00:00Z"}"#;
const CONVERSATION: &str = "00000000-0000-0000-0000-000000000002";

#[tokio::test(start_paused = true)]
async fn records_without_headers_are_handled_on_the_older_topics() {
    let (seen, letters) = (Seen::default(), RecordingPublisher::new());
    let consumer = consumer(&seen, &letters);
    let older = [
        ("message_persisted", PERSISTED, CONVERSATION),
        ("message_deleted", DELETED, CONVERSATION),
        ("streaming.events", r#"{"stream":"s-1"}"#, "s-1"),
    ];
    for (topic, value, aggregate) in older {
        let record = bare(topic, &[], value);
        assert_eq!(consumer.deliver(record.clone()).await, Outcome::Handled);
        assert_eq!(
            consumer.deliver(record).await,
            Outcome::Duplicate,
            "its place is its id"
        );
        assert_eq!(seen.take(), [(topic.to_owned(), aggregate.to_owned())]);
    }
    for topic in ["analytics.events", "notifications.events"] {
        let outcome = consumer.deliver(bare(topic, &[], "{}")).await;
        assert_eq!(outcome, Outcome::Unknown, "nobody handles it here");
    }
    assert!(letters.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn headers_count_on_an_older_topic_too() {
    let (seen, letters) = (Seen::default(), RecordingPublisher::new());
    let id = "00000000-0000-0000-0000-000000000007";
    let headers = [("event_type", "message.deleted"), ("event_id", id)];
    let record = bare("message_persisted", &headers, DELETED);
    assert_eq!(record.metadata().unwrap().event_id.to_string(), id);
    let outcome = consumer(&seen, &letters).deliver(record).await;
    assert_eq!(outcome, Outcome::Handled);
    let expected = ("message.deleted".to_owned(), CONVERSATION.to_owned());
    assert_eq!(seen.take(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_headers_is_poison_on_any_other_topic() {
    let (seen, letters) = (Seen::default(), RecordingPublisher::new());
    let record = bare("nova.message.events", &[], PERSISTED);
    let outcome = consumer(&seen, &letters).deliver(record).await;
    assert_eq!(outcome, Outcome::DeadLettered);
    let letter = letters.records().remove(0);
    let message = header(&letter, "dlq_error_message").unwrap();
    assert!(message.contains("header is required"), "{message}");
    assert_eq!(seen.take(), []);
}

#[tokio::test(start_paused = true)]
async fn older_names_of_event_types_lead_to_the_handlers_of_the_newer() {
    let (seen, letters) = (Seen::default(), RecordingPublisher::new());
    let consumer = consumer(&seen, &letters);
    let user = "00000000-0000-0000-0000-000000000001";
    let created = format!(
        r#"{{"user_id":"{user}","username":"alice","email":"a@example.org","created_at":"2025-10-28T00:00:00Z"}}"#
    );
    let updated = format!(
        r#"{{"user_id":"{user}","username":"alice","is_verified":true,"follower_count":1,"updated_at":"2025-10-28T00:00:00Z"}}"#
    );
    let deleted =
        format!(r#"{{"user_id":"{user}","deleted_at":"2025-10-28T00:00:00Z","soft_delete":true}}"#);
    let aliases = [
        ("UserCreatedEvent", created.as_str(), user),
        ("UserProfileUpdatedEvent", &updated, user),
        ("UserDeletedEvent", &deleted, user),
        ("message_persisted", PERSISTED, CONVERSATION),
        ("message_deleted", DELETED, CONVERSATION),
    ];
    for (name, value, aggregate) in aliases {
        let event_id = Uuid::now_v7().to_string();
        let record = bare("nova.any.events", &[("event_type", name)], value).into_record();
        let record = EventRecord::new(
            record.topic().clone(),
            Some(Bytes::from(aggregate.to_owned())),
            record.value().cloned(),
        )
        .with_header("event_type", name)
        .with_header("event_id", event_id);
        let received = ReceivedRecord::new(record, 0, 0).with_timestamp(at());
        assert_eq!(consumer.deliver(received).await, Outcome::Handled, "{name}");
        assert_eq!(seen.take(), [(name.to_owned(), aggregate.to_owned())]);
    }
    assert!(letters.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_is_passed_over_on_every_topic() {
    let (seen, letters) = (Seen::default(), RecordingPublisher::new());
    let consumer = consumer(&seen, &letters);
    for topic in ["nova.identity.events", "message_persisted"] {
        let tombstone = EventRecord::tombstone(topic.parse().unwrap(), "key");
        assert!(tombstone.is_tombstone());
        let received = ReceivedRecord::new(tombstone, 0, 0);
        assert!(received.decode::<UserCreated>().is_err());
        assert_eq!(consumer.deliver(received).await, Outcome::Tombstone);
    }
    assert_eq!(seen.take(), []);
    assert!(letters.records().is_empty());
}
