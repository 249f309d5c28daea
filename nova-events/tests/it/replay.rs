//! Dead letters on their way back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nova_errors::{ErrorKind, RetryPolicy, ServiceError};
use nova_events::{
    ConsumerHandle, DeadLetterReplay, DeadLetterReplayBuilder, Event, MemoryIdempotency,
    RecordingPublisher,
};
use nova_service::Shutdown;

use crate::eventually::eventually;
use crate::kafka::{brokers, consumer, publisher, read, topic, unique};
use crate::probe::{Probe, probe, publish, record};

/// A consumer whose handler fails for every third event until it is fixed.
struct Service {
    topic: String,
    fixed: Arc<AtomicBool>,
    handled: Arc<Mutex<Vec<u32>>>,
    handle: ConsumerHandle,
}

impl Service {
    /// With 30 events, of which 10 are in the dead letters.
    async fn with_dead_letters() -> Self {
        let topic = topic(1);
        let records = (0..30).map(|n| record(&topic, &probe(&format!("key-{n}"), n)));
        publish(&publisher(), records).await;
        let (fixed, handled) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<u32>>>::default(),
        );
        let state = (Arc::clone(&fixed), Arc::clone(&handled));
        let handle = consumer(&topic, &unique("group"))
            .on(move |event: Event<Probe>| {
                let broken = event.number.is_multiple_of(3) && !state.0.load(Ordering::SeqCst);
                if !broken {
                    state.1.lock().unwrap().push(event.number);
                }
                async move {
                    if broken {
                        return Err(ServiceError::Internal("bug".into()));
                    }
                    Ok(())
                }
            })
            .idempotency(MemoryIdempotency::default())
            .retry(RetryPolicy::never())
            .build()
            .unwrap()
            .start();
        read(brokers(), &format!("{topic}.dlq"), 10).await;
        let service = Self {
            topic,
            fixed,
            handled,
            handle,
        };
        eventually("the others are handled", || service.handled() == 20).await;
        service
    }

    fn handled(&self) -> usize {
        self.handled.lock().unwrap().len()
    }

    fn replay(&self) -> DeadLetterReplayBuilder {
        DeadLetterReplay::builder()
            .brokers(brokers())
            .topic(format!("{}.dlq", self.topic))
    }

    async fn stop(self) {
        self.handle.shutdown(Duration::from_secs(30)).await.unwrap();
    }
}

async fn run(replay: DeadLetterReplayBuilder) -> Result<[u64; 4], ServiceError> {
    let (_trigger, shutdown) = Shutdown::new();
    let report = replay.build()?.run(shutdown).await?;
    Ok([
        report.replayed,
        report.filtered,
        report.exhausted,
        report.unreadable,
    ])
}

#[tokio::test]
async fn dead_letters_are_healed_by_a_replay_after_a_fix_and_replayed_once() {
    let service = Service::with_dead_letters().await;
    let inspected = Arc::new(Mutex::new(0));
    let count = Arc::clone(&inspected);
    let dry = service
        .replay()
        .dry_run(true)
        .inspect(move |_, _| *count.lock().unwrap() += 1);
    assert_eq!(run(dry).await.unwrap(), [10, 0, 0, 0]);
    assert_eq!(*inspected.lock().unwrap(), 10);
    assert_eq!(service.handled(), 20, "a dry run sends nothing");

    service.fixed.store(true, Ordering::SeqCst);
    assert_eq!(run(service.replay()).await.unwrap(), [10, 0, 0, 0]);
    eventually("all are handled", || service.handled() == 30).await;
    assert_eq!(run(service.replay()).await.unwrap(), [0, 0, 0, 0]);

    let mut numbers = service.handled.lock().unwrap().clone();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    let records = read(brokers(), &service.topic, 40).await;
    for raw in &records[30..] {
        assert_eq!(raw.headers["dlq_replay_count"], "1");
        assert!(!raw.headers.contains_key("dlq_error_code"));
        assert_eq!(raw.headers["event_type"], "test.probe");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_letter_that_comes_back_is_replayed_so_often_and_no_more() {
    let service = Service::with_dead_letters().await;
    let replay = || service.replay().max_replays(2);
    let dead_letters = format!("{}.dlq", service.topic);
    assert_eq!(run(replay()).await.unwrap(), [10, 0, 0, 0]);
    read(brokers(), &dead_letters, 20).await;
    assert_eq!(run(replay()).await.unwrap(), [10, 0, 0, 0]);
    let letters = read(brokers(), &dead_letters, 30).await;
    assert_eq!(letters[29].headers["dlq_replay_count"], "2");
    assert_eq!(run(replay()).await.unwrap(), [0, 0, 10, 0]);
    service.stop().await;
}

#[tokio::test]
async fn a_filter_leaves_letters_for_another_group() {
    let service = Service::with_dead_letters().await;
    service.fixed.store(true, Ordering::SeqCst);
    let of_key = |key: &'static str| {
        let filter = move |letter: &nova_events::EventRecord| {
            letter.header("aggregate_id") == Some(key.as_bytes())
        };
        service.replay().group(unique("replay")).filter(filter)
    };
    assert_eq!(run(of_key("key-3")).await.unwrap(), [1, 9, 0, 0]);
    assert_eq!(run(of_key("key-6")).await.unwrap(), [1, 9, 0, 0]);
    eventually("both are handled", || service.handled() == 22).await;
    service.stop().await;
}

#[tokio::test]
async fn a_replay_that_fails_goes_on_where_it_stopped() {
    let service = Service::with_dead_letters().await;
    let sent = RecordingPublisher::new();
    // The fifth is refused: what was acknowledged before is not sent again.
    for _ in 0..4 {
        sent.pass_next();
    }
    sent.fail_next(ServiceError::ServiceUnavailable("broker".into()));
    let error = run(service.replay().publisher(sent.clone())).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ServiceUnavailable);
    let before = sent.records().len();
    let [replayed, ..] = run(service.replay().publisher(sent.clone())).await.unwrap();
    assert_eq!(replayed, 6);
    assert!(before >= 4);
    let mut keys: Vec<_> = sent
        .records()
        .iter()
        .map(|record| record.key().cloned())
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 10, "none is left out");
    service.stop().await;
}

#[test]
fn a_bad_setting_is_refused_by_name() {
    let valid = || {
        DeadLetterReplay::builder()
            .brokers("localhost:9092")
            .topic("nova.content.events.dlq")
    };
    assert!(valid().build().is_ok());
    let bad = [
        ("brokers", valid().brokers("")),
        ("topic", valid().topic("")),
        ("topic", valid().topic("nova.content.events")),
        ("group", valid().group("a b")),
        ("rate", valid().rate(0)),
        ("setting", valid().setting("group.id", "other")),
    ];
    for (field, builder) in bad {
        let error = builder.build().unwrap_err();
        assert_eq!(error.violations()[0].field, field);
    }
}
