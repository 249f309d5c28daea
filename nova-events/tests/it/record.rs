use bytes::Bytes;
use chrono::{DateTime, Utc};
use nova_errors::ErrorKind;
use nova_events::content::{MediaType, PostCreated, PostStatus};
use nova_events::{EventParts, EventRecord, NewEvent, ReceivedRecord, Topic, TopicPrefix};
use nova_models::TraceContext;
use uuid::Uuid;

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn post() -> PostCreated {
    PostCreated {
        post_id: Uuid::from_u128(1),
        user_id: Uuid::from_u128(2),
        caption: "hello \u{1f30b}".to_owned(),
        media_type: MediaType::Image,
        status: PostStatus::Published,
        created_at: at("2025-10-28T00:00:00.5Z"),
    }
}

fn parts() -> EventParts {
    let mut parts = NewEvent::new(&post()).unwrap().into_parts();
    parts.event_id = Uuid::from_u128(3);
    parts.created_at = at("2025-10-28T00:00:00.123456789Z");
    parts
}

fn full() -> EventParts {
    EventParts {
        source: Some("content-service".to_owned()),
        correlation_id: Some("req-1".to_owned()),
        causation_id: Some(Uuid::from_u128(4).to_string()),
        trace: TraceContext::parse(
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            Some("a=1"),
        )
        .ok(),
        ..parts()
    }
}

fn on_content(parts: EventParts, seq: Option<i64>) -> EventRecord {
    let event = NewEvent::from_parts(parts).unwrap();
    let topic = TopicPrefix::default()
        .topic_for(event.aggregate_type())
        .unwrap();
    EventRecord::from_event(&event, seq, topic)
}

/// As `kcat -f '%t %k\n%h\n%s'` shows it.
fn show(record: &EventRecord) -> String {
    let text = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "(null)".to_owned(),
    };
    let headers: String = record
        .headers()
        .map(|(name, value)| format!("{name}={}\n", text(value)))
        .collect();
    format!(
        "{} {}\n{headers}{}",
        record.topic(),
        text(record.key().map(AsRef::as_ref)),
        text(record.value().map(AsRef::as_ref))
    )
}

#[test]
fn a_record_has_the_key_headers_and_value_of_the_contract() {
    insta::assert_snapshot!("full_record", show(&on_content(full(), Some(42))));
}

#[test]
fn what_an_event_does_not_say_has_no_header() {
    insta::assert_snapshot!("plain_record", show(&on_content(parts(), None)));
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let parts = full();
    let received = ReceivedRecord::new(on_content(parts.clone(), Some(42)), 5, 77);
    let event = received.decode::<PostCreated>().unwrap();
    assert_eq!(event.payload, post());
    let metadata = event.metadata;
    assert_eq!(metadata.event_id, parts.event_id);
    assert_eq!(metadata.event_type, "content.post.created");
    assert_eq!(metadata.aggregate_type, "content");
    assert_eq!(metadata.aggregate_id, parts.aggregate_id);
    assert_eq!(metadata.created_at, at("2025-10-28T00:00:00.123456Z"));
    assert_eq!(metadata.schema_version, 1);
    assert_eq!(metadata.source, parts.source);
    assert_eq!(metadata.seq, Some(42));
    assert_eq!(metadata.correlation_id, parts.correlation_id);
    assert_eq!(metadata.causation_id, parts.causation_id);
    assert_eq!(metadata.trace, parts.trace);
    assert_eq!(metadata.topic.as_str(), "nova.content.events");
    assert_eq!((metadata.partition, metadata.offset), (5, 77));
}

/// A record with these headers, key `k` and value `{}`.
fn with(topic: &str, headers: &[(&'static str, &str)]) -> ReceivedRecord {
    let record = EventRecord::new(
        topic.parse().unwrap(),
        Some(Bytes::from_static(b"k")),
        Some(Bytes::from_static(b"{}")),
    );
    let record = headers.iter().fold(record, |record, (name, value)| {
        record.with_header(*name, Bytes::copy_from_slice(value.as_bytes()))
    });
    ReceivedRecord::new(record, 1, 2).with_timestamp(at("2025-01-01T00:00:00Z"))
}

const ID: &str = "00000000-0000-0000-0000-000000000003";

#[test]
fn a_record_without_id_or_type_is_poison_on_a_current_topic() {
    for (missing, rest) in [
        ("event_id", ("event_type", "content.post.created")),
        ("event_type", ("event_id", ID)),
    ] {
        let error = with("nova.content.events", &[rest]).metadata().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.violations()[0].field, missing);
    }
}

#[test]
fn a_malformed_header_is_poison_by_name() {
    let malformed = [
        ("event_id", "42"),
        ("event_type", "with spaces"),
        ("event_type", ""),
        ("created_at", "yesterday"),
        ("schema_version", "0"),
        ("schema_version", "two"),
    ];
    for (name, value) in malformed {
        let mut headers = vec![("event_id", ID), ("event_type", "t")];
        headers.retain(|(header, _)| *header != name);
        headers.push((name, value));
        let error = with("nova.content.events", &headers)
            .metadata()
            .unwrap_err();
        assert_eq!(error.violations()[0].field, name, "{value:?}");
    }
}

#[test]
fn an_absent_version_reads_as_one_and_absent_facts_come_from_the_record() {
    let received = with(
        "nova.content.events",
        &[("event_id", ID), ("event_type", "t")],
    );
    let metadata = received.metadata().unwrap();
    assert_eq!(metadata.schema_version, 1);
    assert_eq!(metadata.aggregate_id, "k");
    assert_eq!(metadata.aggregate_type, "content");
    assert_eq!(metadata.created_at, at("2025-01-01T00:00:00Z"));
}

#[test]
fn what_the_router_of_debezium_adds_is_ignored() {
    let record = with("nova.content.events", &[("id", ID)]);
    let record = record
        .into_record()
        .with_header("event_id", ID)
        .with_header("event_type", "t")
        .with_null_header("correlation_id")
        .with_null_header("traceparent");
    let received = ReceivedRecord::new(record, 0, 0).with_timestamp(at("2025-01-01T00:00:00Z"));
    let metadata = received.metadata().unwrap();
    assert_eq!(metadata.correlation_id, None);
    assert_eq!(metadata.trace, None);
}

#[test]
fn a_broken_trace_does_not_make_an_event_poison() {
    let headers = [("event_id", ID), ("event_type", "t"), ("traceparent", "zz")];
    let metadata = with("nova.content.events", &headers).metadata().unwrap();
    assert_eq!(metadata.trace, None);
}

#[test]
fn the_headers_of_cloudevents_are_read_too() {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", ID),
        ("ce_type", "content.post.created"),
        ("ce_source", "elsewhere"),
        ("ce_time", "2025-10-28T01:00:00+01:00"),
    ];
    let metadata = with("nova.content.events", &headers).metadata().unwrap();
    assert_eq!(metadata.event_id, Uuid::from_u128(3));
    assert_eq!(metadata.event_type, "content.post.created");
    assert_eq!(metadata.source.as_deref(), Some("elsewhere"));
    assert_eq!(metadata.created_at, at("2025-10-28T00:00:00Z"));
}

#[test]
fn a_record_of_the_first_generation_has_the_topic_as_its_type_and_an_id_from_its_place() {
    let metadata = with("message_persisted", &[]).metadata().unwrap();
    assert_eq!(metadata.event_type, "message_persisted");
    insta::assert_snapshot!("older_event_id", metadata.event_id);
    let again = with("message_persisted", &[]).metadata().unwrap();
    assert_eq!(again.event_id, metadata.event_id);
}

#[test]
fn a_value_that_is_not_the_payload_is_poison() {
    let headers = [("event_id", ID), ("event_type", "content.post.created")];
    let good = with("nova.content.events", &headers);
    let topic: Topic = "nova.content.events".parse().unwrap();
    let values: [Option<&[u8]>; 5] = [
        None,
        Some(b""),
        Some(b"{}"),
        Some(b"\xff\xfe"),
        Some(br#"{"post_id": 1}"#),
    ];
    for value in values {
        let key = good.record().key().cloned();
        let record = EventRecord::new(topic.clone(), key, value.map(Bytes::copy_from_slice))
            .with_header("event_id", ID)
            .with_header("event_type", "content.post.created");
        let received = ReceivedRecord::new(record, 0, 0).with_timestamp(at("2025-01-01T00:00:00Z"));
        let error = received.decode::<PostCreated>().unwrap_err();
        assert_eq!(error.violations()[0].field, "value", "{value:?}");
    }
}
