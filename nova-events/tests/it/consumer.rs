use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use nova_errors::{Backoff, RetryPolicy, ServiceError};
use nova_events::{Event, EventRecord, MemoryIdempotency};
use nova_service::{BackgroundWorker, Shutdown};
use tokio::sync::Semaphore;

use crate::eventually::eventually;
use crate::kafka::{brokers, committed, consumer, publisher, read, topic, unique};
use crate::probe::{Probe, probe, publish, record};

const PATIENCE: Duration = Duration::from_secs(30);

/// What handlers have seen, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Probe>>>);

impl Seen {
    fn add(&self, event: &Event<Probe>) {
        self.0.lock().unwrap().push(event.payload.clone());
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn numbers(&self, key: &str) -> Vec<u32> {
        let seen = self.0.lock().unwrap();
        let of_key = seen.iter().filter(|probe| probe.key == key);
        of_key.map(|probe| probe.number).collect()
    }
}

#[tokio::test]
async fn keys_run_side_by_side_and_each_in_order_while_a_failing_one_is_tried_again() {
    let (topic, group) = (topic(1), unique("group"));
    let numbers: Vec<u32> = (0..50).collect();
    let records = numbers
        .iter()
        .flat_map(|n| ["slow", "one", "two"].map(|key| record(&topic, &probe(key, *n))));
    publish(&publisher(), records).await;

    let seen = Seen::default();
    let all = seen.clone();
    let quick = Backoff::new(Duration::from_millis(1), Duration::from_millis(10)).unwrap();
    let handle = consumer(&topic, &group)
        .on(move |event: Event<Probe>| {
            let seen = all.clone();
            async move {
                // The first of the slow key fails until the other keys are through.
                if event.key == "slow" && seen.len() < 100 {
                    return Err(ServiceError::ServiceUnavailable("not yet".into()));
                }
                seen.add(&event);
                Ok(())
            }
        })
        .retry(
            RetryPolicy::standard()
                .max_attempts(u32::MAX)
                .backoff(quick),
        )
        .build()
        .unwrap()
        .start();
    eventually("all are handled", || seen.len() == 150).await;
    handle.shutdown(PATIENCE).await.unwrap();
    for key in ["slow", "one", "two"] {
        assert_eq!(seen.numbers(key), numbers, "{key}");
    }
    assert_eq!(committed(brokers(), &topic, &group).await, Some(150));
}

#[tokio::test]
async fn poison_goes_to_the_dead_letters_while_the_rest_flows() {
    let (topic, group) = (topic(1), unique("group"));
    let name = topic.parse().unwrap();
    let poison = EventRecord::new(name, Some("a".into()), Some(Bytes::from_static(b"\xff")))
        .with_header("event_id", "7b4c0e52-0000-7000-8000-000000000001")
        .with_header("event_type", "test.probe");
    let records = [
        record(&topic, &probe("a", 0)),
        poison,
        record(&topic, &probe("a", 1)),
        record(&topic, &probe("b", 0)),
    ];
    publish(&publisher(), records).await;

    let seen = Seen::default();
    let all = seen.clone();
    let handle = consumer(&topic, &group)
        .on(move |event: Event<Probe>| {
            all.add(&event);
            async { Ok(()) }
        })
        .build()
        .unwrap()
        .start();
    eventually("the rest is handled", || seen.len() == 3).await;
    assert_eq!(seen.numbers("a"), [0, 1]);
    handle.shutdown(PATIENCE).await.unwrap();
    assert_eq!(committed(brokers(), &topic, &group).await, Some(4));

    let letters = read(brokers(), &format!("{topic}.dlq"), 1).await;
    let [letter] = letters.as_slice() else {
        panic!("expected one dead letter, got {letters:?}");
    };
    assert_eq!(letter.key.as_deref(), Some(b"a".as_slice()));
    assert_eq!(letter.value.as_deref(), Some(b"\xff".as_slice()));
    assert_eq!(letter.headers["event_type"], "test.probe");
    assert_eq!(letter.headers["dlq_error_code"], "validation");
    assert_eq!(letter.headers["dlq_original_topic"], topic);
    assert_eq!(letter.headers["dlq_original_offset"], "1");
    assert_eq!(letter.headers["dlq_consumer_group"], group);
}

#[tokio::test]
async fn after_a_crash_what_was_not_done_comes_again_and_what_was_takes_effect_once() {
    let (topic, group) = (topic(1), unique("group"));
    let records = (0..10).map(|n| record(&topic, &probe(&format!("key-{n}"), n)));
    publish(&publisher(), records).await;

    let store = MemoryIdempotency::default();
    let effects = Seen::default();
    let build = |stuck: Option<u32>| {
        let effects = effects.clone();
        consumer(&topic, &group)
            .on(move |event: Event<Probe>| {
                let effects = effects.clone();
                async move {
                    if Some(event.number) == stuck {
                        return std::future::pending().await;
                    }
                    effects.add(&event);
                    Ok(())
                }
            })
            .idempotency(store.clone())
            .build()
            .unwrap()
    };
    // The record at offset 2 hangs, so that nothing behind it can be committed, and the run is cut off.
    let crashing = build(Some(2));
    let (_trigger, shutdown) = Shutdown::new();
    let run = tokio::spawn(async move { crashing.run(shutdown).await });
    eventually("all others are handled", || effects.len() == 9).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());

    let handle = build(None).start();
    eventually("the one that hung is handled", || effects.len() == 10).await;
    handle.shutdown(PATIENCE).await.unwrap();
    for n in 0..10 {
        assert_eq!(effects.numbers(&format!("key-{n}")), [n]);
    }
    assert_eq!(committed(brokers(), &topic, &group).await, Some(10));
}

#[tokio::test]
async fn a_commit_never_passes_a_record_that_is_not_done() {
    let (topic, group) = (topic(1), unique("group"));
    let records = (0..20).map(|n| record(&topic, &probe(&format!("key-{n}"), n)));
    publish(&publisher(), records).await;

    let done = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&done);
    let handle = consumer(&topic, &group)
        .on(move |event: Event<Probe>| {
            let done = Arc::clone(&counted);
            async move {
                if event.number == 7 {
                    return std::future::pending().await;
                }
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        })
        .drain_timeout(Duration::from_millis(50))
        .build()
        .unwrap()
        .start();
    eventually("all others are handled", || {
        done.load(Ordering::SeqCst) == 19
    })
    .await;
    handle.shutdown(PATIENCE).await.unwrap();
    assert_eq!(committed(brokers(), &topic, &group).await, Some(7));
}

#[tokio::test]
async fn a_shutdown_lets_handlers_finish_and_commits_what_they_did() {
    let (topic, group) = (topic(1), unique("group"));
    publish(&publisher(), [record(&topic, &probe("a", 0))]).await;
    let (entered, finish) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&entered), Arc::clone(&finish));
    let handle = consumer(&topic, &group)
        .on(move |_: Event<Probe>| {
            let (entered, finish) = gates.clone();
            async move {
                entered.add_permits(1);
                finish.acquire().await.unwrap().forget();
                Ok(())
            }
        })
        .build()
        .unwrap()
        .start();
    entered.acquire().await.unwrap().forget();
    let (stopped, ()) = tokio::join!(handle.shutdown(PATIENCE), async {
        tokio::task::yield_now().await;
        finish.add_permits(1);
    });
    stopped.unwrap();
    assert_eq!(committed(brokers(), &topic, &group).await, Some(1));
    handle.shutdown(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_slow_handler_fills_the_window_and_no_more_and_nothing_is_lost_or_doubled_by_the_pause() {
    const WINDOW: usize = 10;
    let (topic, group) = (topic(1), unique("group"));
    let publisher = publisher();
    let key = |n| format!("key-{n}");
    publish(
        &publisher,
        (0..200).map(|n| record(&topic, &probe(&key(n), n))),
    )
    .await;

    let gate = Arc::new(Semaphore::new(0));
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let counts: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
    let state = (gate.clone(), running.clone(), most.clone(), counts.clone());
    let handle = consumer(&topic, &group)
        .on(move |event: Event<Probe>| {
            let (gate, running, most, counts) = state.clone();
            async move {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                *counts.lock().unwrap().entry(event.key.clone()).or_default() += 1;
                Ok(())
            }
        })
        .partition_window(WINDOW)
        .build()
        .unwrap()
        .start();
    eventually("the window is full", || {
        running.load(Ordering::SeqCst) == WINDOW
    })
    .await;
    // More work arrives while it is full, which gives a reader that minds no bound the time to read it.
    publish(
        &publisher,
        (200..400).map(|n| record(&topic, &probe(&key(n), n))),
    )
    .await;
    assert_eq!(running.load(Ordering::SeqCst), WINDOW);
    gate.add_permits(400);
    eventually("all are handled", || counts.lock().unwrap().len() == 400).await;
    handle.shutdown(PATIENCE).await.unwrap();
    assert!(most.load(Ordering::SeqCst) <= WINDOW);
    assert!(counts.lock().unwrap().values().all(|count| *count == 1));
    assert_eq!(committed(brokers(), &topic, &group).await, Some(400));
}
