use std::collections::HashSet;
use std::time::Duration;

use nova_outbox::{OutboxDatabase, OutboxHandle};

use crate::sample::event;
use crate::scripted_publisher::{Act, ScriptedPublisher, Sent};
use crate::service::{PATIENCE, Service};

const LONG: Duration = Duration::from_secs(30);

/// Relays that come and go while events are enqueued: each event goes out once, in order, and no two of an aggregate at once,
/// whichever relays they are with.
pub(crate) async fn relays_come_and_go<DB: OutboxDatabase>(service: &Service<DB>, changes: u32) {
    let publisher = ScriptedPublisher::new(|_| Act::AcknowledgeLate(3));
    let mut rounds = 0;
    let mut relays: Vec<OutboxHandle> = Vec::new();
    let coming_and_going = async {
        for change in 0..changes {
            let new = publisher.twin();
            relays.push(service.relay(new.clone()).start());
            // It takes part when the others have given it its share.
            while new.attempts() == 0 {
                enqueue_round(service, &mut rounds).await;
            }
            if change % 2 == 1 {
                let gone = relays.remove(0);
                let (stopped, ()) =
                    tokio::join!(gone.shutdown(LONG), enqueue_round(service, &mut rounds));
                stopped.unwrap();
            }
        }
        service.drained().await;
    };
    tokio::time::timeout(PATIENCE, coming_and_going)
        .await
        .expect("the buckets change hands in time");
    for relay in &relays {
        relay.shutdown(LONG).await.unwrap();
    }
    let sent = publisher.sent();
    let ids: HashSet<_> = sent.iter().map(|sent| sent.id).collect();
    assert_eq!(ids.len(), sent.len(), "each event once");
    let numbers = publisher.numbers();
    assert_eq!(numbers.len(), 64);
    for numbers in numbers.values() {
        assert_eq!(*numbers, (0..rounds).collect::<Vec<_>>());
    }
}

async fn enqueue_round<DB: OutboxDatabase>(service: &Service<DB>, rounds: &mut u32) {
    let round = *rounds;
    let events = (0..64).map(|a| event(&format!("a{a}"), round));
    service.enqueue(events).await;
    *rounds += 1;
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// Two relays on one database share the buckets, and both publish.
pub(crate) async fn two_relays_share<DB: OutboxDatabase>(service: &Service<DB>) {
    let publishers = [
        ScriptedPublisher::acknowledging(),
        ScriptedPublisher::acknowledging(),
    ];
    let relays = publishers
        .each_ref()
        .map(|publisher| service.relay(publisher.clone()).start());
    // Until both have their share, one or the other publishes.
    let mut number = 0;
    let both = async {
        while publishers
            .iter()
            .any(|publisher| publisher.sent().len() < 100)
        {
            service
                .enqueue((0..64).map(|a| event(&format!("a{a}"), number)))
                .await;
            number += 1;
            service.drained().await;
        }
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("both publish in time");
    for relay in &relays {
        relay.shutdown(LONG).await.unwrap();
    }
    let all: Vec<Sent> = publishers
        .iter()
        .flat_map(ScriptedPublisher::sent)
        .collect();
    let ids: HashSet<_> = all.iter().map(|sent| sent.id).collect();
    assert_eq!(ids.len(), all.len(), "each event once");
    assert_eq!(all.len(), usize::try_from(number * 64).unwrap());
    for publisher in &publishers {
        assert!(
            publisher
                .numbers()
                .values()
                .all(|numbers| numbers.is_sorted())
        );
    }
}

#[tokio::test]
async fn two_relays_on_one_database_publish_each_event_once_and_in_order() {
    two_relays_share(&Service::sqlite().await).await;
}

#[tokio::test]
async fn buckets_change_hands_without_a_gap_or_a_double() {
    relays_come_and_go(&Service::sqlite().await, 6).await;
}
