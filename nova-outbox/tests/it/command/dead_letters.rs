use std::time::Duration;

use nova_outbox::{OutboxDatabase, StoredEvent};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Operated, Ran, command};
use crate::sample::{event, number};
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::PATIENCE;

fn is_odd(row: &StoredEvent) -> bool {
    number(row.event.as_ref().unwrap()) % 2 == 1
}

async fn shown<DB: OutboxDatabase>(operated: &Operated<DB>, id: Uuid) -> Value {
    let id = id.to_string();
    let shown = operated.run(&["show", &id, "--json"]).await.ended(0).json();
    shown["events"][0].clone()
}

/// Dead letters go back as the same events, with new numbers, in order, behind what their aggregates have by now.
pub(crate) async fn replayed_in_order<DB: OutboxDatabase>(operated: &Operated<DB>) {
    let service = &operated.service;
    let events: Vec<_> = (0..12)
        .map(|n| event(["a", "b"][n as usize / 6], n))
        .collect();
    service.enqueue(events.clone()).await;
    operated.fail(is_odd, None).await;
    let before = shown(operated, events[1].event_id()).await;
    assert_eq!(before["state"], "dead");

    // Nothing is done without a word: not on a dry run, not without a terminal, not for an id that is none.
    let replay = ["replay", "--all", "--json"];
    let dry = operated.run(&[&replay[..], &["--dry-run"]].concat()).await;
    assert_eq!(
        dry.ended(0).json(),
        json!({ "matched": 6, "replayed": 0, "dry_run": true, "interrupted": false })
    );
    let unasked = operated.run(&replay).await.ended(5);
    assert!(unasked.err.contains("--yes"), "{unasked:?}");
    let (there, missing) = (events[1].event_id().to_string(), Uuid::nil().to_string());
    let unknown = operated.run(&["replay", &there, &missing]).await.ended(4);
    assert!(unknown.err.contains(&missing) && !unknown.err.contains(&there));
    assert_eq!(service.stats().await.dead, 6);

    // Ids are enough of a word; batches of two cut through the aggregates.
    let one = events[3].event_id().to_string();
    let ran = operated.run(&["replay", &one, "--json"]).await.ended(0);
    assert_eq!(
        ran.json(),
        json!({ "matched": 1, "replayed": 1, "dry_run": false, "interrupted": false })
    );
    let all = [&replay[..], &["--yes", "--batch", "2"]].concat();
    assert_eq!(operated.run(&all).await.ended(0).json()["replayed"], 5);
    assert_eq!(operated.run(&all).await.ended(0).json()["matched"], 0);

    let after = shown(operated, events[1].event_id()).await;
    assert_eq!(after["state"], "pending");
    assert!(after["seq"].as_i64() > Some(12), "{after}");
    for kept in ["created_at", "payload", "source", "event_type", "bucket"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }

    let publisher = ScriptedPublisher::acknowledging();
    let relay = service.relay(publisher.clone()).start();
    service.drained().await;
    relay.shutdown(Duration::from_secs(30)).await.unwrap();
    assert_eq!(publisher.numbers()["a"], [0, 2, 4, 3, 1, 5]);
    assert_eq!(publisher.numbers()["b"], [6, 8, 10, 7, 9, 11]);
    let mut sent: Vec<_> = publisher.sent().into_iter().map(|sent| sent.id).collect();
    let mut enqueued: Vec<_> = events.iter().map(nova_events::NewEvent::event_id).collect();
    sent.sort_unstable();
    enqueued.sort_unstable();
    assert_eq!(sent, enqueued, "each once, with its own id");
}

/// A filter chooses which dead letters are replayed, and which are purged.
pub(crate) async fn chosen_by_filter<DB: OutboxDatabase>(operated: &Operated<DB>) {
    let service = &operated.service;
    let events = (0..20).map(|n| event(&format!("a{}", n % 4), n));
    service.enqueue(events).await;
    operated.fail(|_| true, None).await;
    let yes = ["--yes", "--json"];
    let replay = async |filter: &[&str]| {
        let ran = operated
            .run(&[&["replay"], &yes[..], filter].concat())
            .await;
        ran.ended(0).json()["replayed"].as_u64().unwrap()
    };
    assert_eq!(replay(&["--event-type", "content.post.created"]).await, 0);
    assert_eq!(replay(&["--older-than", "1h"]).await, 0);
    assert_eq!(replay(&["--aggregate-id", "a1"]).await, 5);
    assert_eq!(
        replay(&["--aggregate-type", "content", "--aggregate-id", "a2"]).await,
        5
    );

    let purge = async |arguments: &[&str]| operated.run(&[&["purge"], arguments].concat()).await;
    purge(&[]).await.ended(2);
    purge(&["--older-than", "0s"]).await.ended(5);
    let dry = purge(&["--older-than", "0s", "--dry-run", "--json"]).await;
    assert_eq!(
        dry.ended(0).json(),
        json!({ "matched": 10, "purged": 0, "dry_run": true, "interrupted": false })
    );
    assert_eq!(service.stats().await.dead, 10);
    let young = purge(&["--older-than", "1h", "--yes", "--json"]).await;
    assert_eq!(young.ended(0).json()["purged"], 0);
    let some = purge(&["--older-than", "0s", "--aggregate-id", "a0", "--yes"]).await;
    assert_eq!(some.ended(0).out, "5 dead letters are deleted\n");
    let rest = purge(&["--older-than", "0s", "--yes", "--batch", "2", "--json"]).await;
    assert_eq!(rest.ended(0).json()["purged"], 5);
    let stats = service.stats().await;
    assert_eq!((stats.pending, stats.dead), (10, 0));
}

/// A signal ends a replay between two batches, and the same command goes on.
pub(crate) async fn interrupted<DB: OutboxDatabase>(operated: &Operated<DB>) {
    const LETTERS: u32 = 3_000;
    let service = &operated.service;
    service.enqueue((0..LETTERS).map(|n| event("a", n))).await;
    // One aggregate has one event in flight: they die together here, as they would one by one.
    operated.fail(|_| true, None).await;
    assert_eq!(service.stats().await.dead, u64::from(LETTERS));
    let replay = ["replay", "--all", "--yes", "--json", "--batch", "1"];
    let child = command(&operated.url, &replay).spawn().unwrap();
    service.wait_for(|stats| stats.pending > 0).await;
    let pid = child.id().to_string();
    let told = std::process::Command::new("sh")
        .args(["-c", "kill -INT \"$0\"", &pid])
        .status();
    assert!(told.unwrap().success());
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    let ran = Ran::from(output.unwrap().unwrap()).ended(130).json();
    assert_eq!(ran["interrupted"], true);
    let done = ran["replayed"].as_u64().unwrap();
    assert!(done < u64::from(LETTERS), "{done}");
    let stats = service.stats().await;
    assert_eq!(
        (stats.pending, stats.dead),
        (done, u64::from(LETTERS) - done)
    );

    let rest = operated.run(&["replay", "--all", "--yes", "--json"]).await;
    assert_eq!(rest.ended(0).json()["replayed"], u64::from(LETTERS) - done);
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    service.drained().await;
    assert_eq!(publisher.numbers()["a"], (0..LETTERS).collect::<Vec<_>>());
}

#[tokio::test]
async fn dead_letters_are_replayed_in_order_as_the_same_events() {
    replayed_in_order(&Operated::sqlite().await).await;
}

#[tokio::test]
async fn a_filter_chooses_what_is_replayed_and_what_is_purged() {
    chosen_by_filter(&Operated::sqlite().await).await;
}

#[tokio::test]
async fn a_signal_ends_a_replay_between_two_batches_and_the_next_goes_on() {
    interrupted(&Operated::sqlite().await).await;
}

#[tokio::test]
async fn a_replayed_event_that_dies_again_is_not_replayed_for_ever() {
    let operated = Operated::sqlite().await;
    operated
        .service
        .enqueue((0..4).map(|n| event("a", n)))
        .await;
    operated.fail(|_| true, None).await;
    let admin = nova_outbox::OutboxAdmin::from(operated.service.pool.clone());
    let mut replay = admin
        .replay(nova_outbox::EventFilter::new())
        .await
        .unwrap()
        .size(2);
    let mut batches = 0;
    while replay.next().await.unwrap().is_some() {
        operated.fail(|_| true, None).await;
        batches += 1;
        assert!(batches <= 3);
    }
    assert_eq!(replay.done(), 4);
    assert_eq!(operated.service.stats().await.dead, 4);
}

/// Two replays of the same letters take turns.
pub(crate) async fn two_at_once<DB: OutboxDatabase>(operated: &Operated<DB>) {
    const LETTERS: u32 = 300;
    let service = &operated.service;
    service
        .enqueue((0..LETTERS).map(|n| event(["a", "b", "c"][n as usize % 3], n)))
        .await;
    operated.fail(|_| true, None).await;
    let replay = ["replay", "--all", "--yes", "--json", "--batch", "3"];
    let both = tokio::join!(operated.run(&replay), operated.run(&replay));
    let replayed = |ran: Ran| ran.ended(0).json()["replayed"].as_u64().unwrap();
    assert_eq!(replayed(both.0) + replayed(both.1), u64::from(LETTERS));
    let publisher = ScriptedPublisher::acknowledging();
    let _relay = service.relay(publisher.clone()).start();
    service.drained().await;
    for (start, id) in ["a", "b", "c"].into_iter().enumerate() {
        let expected: Vec<_> = (0..LETTERS).skip(start).step_by(3).collect();
        assert_eq!(publisher.numbers()[id], expected);
    }
}

#[tokio::test]
async fn two_replays_at_once_move_each_dead_letter_once_and_in_order() {
    two_at_once(&Operated::sqlite().await).await;
}
