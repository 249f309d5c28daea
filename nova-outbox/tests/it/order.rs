use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::Duration;

use nova_errors::Backoff;
use nova_outbox::{OutboxDatabase, OutboxProcessor};
use proptest::prelude::*;

use crate::sample::{event, number};
use crate::scripted_publisher::{Act, ScriptedPublisher};
use crate::service::Service;

/// Decides by chance, but the same for the same attempt.
fn chance(seed: u64, aggregate: &str, number: u32, attempt: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, aggregate, number, attempt).hash(&mut hasher);
    hasher.finish() % 100
}

/// Publishes with failures, outages and delays by chance: what arrives is in order, and nothing is lost.
pub(crate) async fn random_failures<DB: OutboxDatabase>(
    service: &Service<DB>,
    seed: u64,
    aggregates: u32,
    events: u32,
    batch: u32,
) {
    let tries = Mutex::new(HashMap::new());
    let publisher = ScriptedPublisher::new(move |sent| {
        let (id, number) = (sent.event.aggregate_id(), number(&sent.event));
        let mut tries = tries.lock().unwrap();
        let attempt = tries.entry((id.to_owned(), number)).or_insert(0);
        *attempt += 1;
        match chance(seed, id, number, *attempt) {
            0 => Act::Outage,
            1..15 => Act::Fail,
            15..40 => Act::AcknowledgeLate(5),
            _ => Act::Acknowledge,
        }
    });
    let poll = Duration::from_millis(50);
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(3)).unwrap();
    let relay = OutboxProcessor::new(service.repository(), publisher.clone(), batch, poll, 1)
        .wake_on(&service.outbox)
        .backoff(backoff)
        .start();
    for n in 0..events {
        service
            .enqueue((0..aggregates).map(|a| event(&format!("a{a}"), n)))
            .await;
    }
    service.drained().await;
    relay.shutdown(Duration::from_secs(30)).await.unwrap();
    for numbers in publisher.numbers().values() {
        assert!(
            numbers.is_sorted_by(|a, b| a < b),
            "in order and once: {numbers:?}"
        );
    }
    let dead = usize::try_from(service.stats().await.dead).unwrap();
    let all = usize::try_from(aggregates * events).unwrap();
    assert_eq!(
        publisher.sent().len() + dead,
        all,
        "published or dead, none lost"
    );
}

/// Many more events than fit into memory.
pub(crate) async fn deep_backlog<DB: OutboxDatabase>(service: &Service<DB>) {
    for round in 0..10 {
        let events = (0..2_000).map(|a| event(&format!("a{a}"), round));
        service.enqueue(events).await;
    }
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    publisher.wait_for(20_000).await;
    service.drained().await;
    let in_order: Vec<_> = (0..10).collect();
    let numbers = publisher.numbers();
    assert!(numbers.values().all(|numbers| *numbers == in_order));
}

#[tokio::test]
async fn a_deep_backlog_is_drained_in_order() {
    deep_backlog(&Service::sqlite().await).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_order_holds_and_nothing_is_lost(
        seed: u64,
        aggregates in 1_u32..20,
        events in 1_u32..12,
        batch in 1_u32..40,
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async {
                let service = Service::sqlite().await;
                random_failures(&service, seed, aggregates, events, batch).await;
            });
    }
}
