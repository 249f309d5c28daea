use std::time::Duration;

use chrono::Utc;
use nova_outbox::OutboxDatabase;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Operated;
use crate::sample::{event, number};

/// One event in each state; the command shows all of them.
pub(crate) async fn each_state<DB: OutboxDatabase>(operated: &Operated<DB>) {
    let service = &operated.service;
    let (dead, held, behind) = (event("dead", 1), event("held", 2), event("held", 3));
    let later = event("later", 4);
    service
        .enqueue([dead.clone(), held.clone(), behind.clone()])
        .await;
    let mut tx = service.pool.begin().await.unwrap();
    let due = Utc::now() + chrono::TimeDelta::days(1);
    service
        .outbox
        .enqueue_at(&mut tx, later.clone(), due)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    operated.fail(|row| row.aggregate_id == "dead", None).await;
    let hour = Duration::from_secs(3600);
    operated.fail(|row| row.key.seq == 2, Some(hour)).await;

    let mut stats = operated.run(&["stats", "--json"]).await.ended(0).json();
    for volatile in [
        "oldest_age_seconds",
        "oldest_dead_seconds",
        "next_due_seconds",
    ] {
        assert!(stats[volatile].take().is_number(), "{volatile}");
    }
    assert_eq!(
        stats,
        json!({
            "pending": 2, "oldest_age_seconds": null, "retrying": 1, "dead": 1, "oldest_dead_seconds": null,
            "scheduled": 1, "next_due_seconds": null, "relays": 0, "owned_buckets": 0, "buckets": 64,
        })
    );

    let pending = list(operated, &["--state", "pending"]).await;
    assert_eq!(states(&pending), [(2, "retrying"), (3, "pending")]);
    let retrying = list(operated, &["--state", "retrying"]).await;
    assert_eq!(retrying, pending[..1]);
    let error = retrying[0]["error"].as_str().unwrap();
    assert!(
        error.starts_with("payload_too_large: ") && error.ends_with("room"),
        "{error}"
    );
    assert_eq!(retrying[0]["attempts"], 6);
    assert!(retrying[0]["hold_until"].as_str().unwrap().ends_with('Z'));

    let mut letters = list(operated, &["--state", "dead"]).await;
    let letter = letters[0].as_object_mut().unwrap();
    for volatile in ["created_at", "died_at", "bucket", "error"] {
        assert!(letter.remove(volatile).is_some(), "{volatile}");
    }
    assert_eq!(
        letters,
        [json!({
            "seq": 1, "event_id": dead.event_id(), "aggregate_type": "content", "aggregate_id": "dead",
            "event_type": "content.post.updated", "payload_bytes": 1, "state": "dead", "attempts": 6,
            "error_code": "payload_too_large",
        })]
    );
    let scheduled = list(operated, &["--state", "scheduled"]).await;
    assert_eq!(scheduled[0]["event_id"], json!(later.event_id()));
    assert!(scheduled[0]["due_at"].is_string());

    for event in [&dead, &held, &behind, &later] {
        let id = event.event_id().to_string();
        let shown = operated.run(&["show", &id, "--json"]).await.ended(0).json();
        let shown = shown["events"].as_array().unwrap();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0]["payload"], json!(number(event)));
        assert_eq!(shown[0]["source"], "content-service");
        assert_eq!(shown[0]["schema_version"], 1);
    }
    let unknown = Uuid::now_v7().to_string();
    let ran = operated.run(&["show", &unknown]).await.ended(4);
    assert!(ran.err.contains(&unknown), "{ran:?}");
    let text = operated.run(&["list", "--state", "dead"]).await.ended(0);
    assert!(
        text.out.contains("\\u{1b}[2J"),
        "a terminal is not steered: {text:?}"
    );
}

/// Pages follow each other without a gap or a double, whatever is filtered.
pub(crate) async fn pages<DB: OutboxDatabase>(operated: &Operated<DB>) {
    let service = &operated.service;
    for round in 0..5 {
        service
            .enqueue((0..9).map(|a| event(&format!("a{a}"), round)))
            .await;
    }
    let seqs = async |more: &[&str]| {
        let (mut seqs, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let arguments = [&["list", "--json", "--limit", "7", "--after", &after], more].concat();
            let page = operated.run(&arguments).await.ended(0).json();
            let events = page["events"].as_array().unwrap();
            assert!(events.len() <= 7);
            seqs.extend(events.iter().map(|event| event["seq"].as_i64().unwrap()));
            match page["next"].as_i64() {
                Some(next) => after = next.to_string(),
                None => return seqs,
            }
        }
    };
    assert_eq!(seqs(&[]).await, (1..=45).collect::<Vec<_>>());
    let aggregate = ["--aggregate-type", "content", "--aggregate-id", "a3"];
    assert_eq!(seqs(&aggregate).await, [4, 13, 22, 31, 40]);
    assert_eq!(seqs(&aggregate[2..]).await, [4, 13, 22, 31, 40]);
    assert!(
        seqs(&["--event-type", "content.post.created"])
            .await
            .is_empty()
    );
    assert!(seqs(&["--older-than", "1h"]).await.is_empty());
}

async fn list<DB: OutboxDatabase>(operated: &Operated<DB>, more: &[&str]) -> Vec<Value> {
    let arguments = [&["list", "--json"], more].concat();
    let page = operated.run(&arguments).await.ended(0).json();
    assert_eq!(page["next"], Value::Null);
    page["events"].as_array().unwrap().clone()
}

fn states(events: &[Value]) -> Vec<(i64, &str)> {
    events
        .iter()
        .map(|event| {
            (
                event["seq"].as_i64().unwrap(),
                event["state"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn an_event_is_counted_listed_and_shown_in_each_state() {
    each_state(&Operated::sqlite().await).await;
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_or_a_double() {
    pages(&Operated::sqlite().await).await;
}

#[tokio::test]
async fn a_payload_that_is_no_json_is_shown_in_hex() {
    let operated = Operated::sqlite().await;
    let mut parts = event("a", 1).into_parts();
    parts.payload = vec![0xff, 0x00, b'a'].into();
    let bytes = nova_events::NewEvent::from_parts(parts).unwrap();
    operated.service.enqueue([bytes.clone()]).await;
    let id = bytes.event_id().to_string();
    let shown = operated.run(&["show", &id, "--json"]).await.ended(0).json();
    assert_eq!(shown["events"][0]["payload_hex"], "ff0061");
    assert!(shown["events"][0].get("payload").is_none());
}
