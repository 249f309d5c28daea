use nova_events::EmbeddedKafka;
use serde_json::json;

use crate::process::Platform;
use crate::topic::read_until;

#[tokio::test]
async fn what_was_committed_but_not_published_arrives_once_and_in_order_after_kill_9() {
    let kafka = EmbeddedKafka::start(1).unwrap();
    for (topic, partitions) in [("content", 6), ("identity", 3), ("social", 3)] {
        let topic = format!("nova.{topic}.events");
        kafka.create_topic(&topic, partitions).unwrap();
        kafka.create_topic(&format!("{topic}.dlq"), 1).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let brokers = kafka.bootstrap_servers();

    let platform = Platform::start(folder.path(), brokers).await;
    let token = platform.log_in("dora").await;
    kafka.broker_down().unwrap();
    let post = platform
        .post(&token, "written while the broker was away")
        .await;
    platform
        .change(&token, &post, json!({ "status": "archived" }))
        .await;
    platform.kill().await;

    kafka.broker_up().unwrap();
    let platform = Platform::start(folder.path(), brokers).await;
    // Of the same aggregate, so it comes after everything that was left over.
    platform
        .change(
            &token,
            &post,
            json!({ "caption": "and changed afterwards" }),
        )
        .await;
    let records = read_until(brokers, "nova.content.events", |records| {
        records
            .last()
            .is_some_and(|last| last.key == post && last.event_type() == "content.post.updated")
    })
    .await;

    let of_post: Vec<_> = records.iter().filter(|record| record.key == post).collect();
    let types: Vec<_> = of_post.iter().map(|record| record.event_type()).collect();
    assert_eq!(
        types,
        [
            "content.post.created",
            "content.post.status_updated",
            "content.post.updated"
        ]
    );
    assert_eq!(of_post[1].payload["new_status"], "archived");
    let seqs: Vec<i64> = of_post
        .iter()
        .map(|record| record.headers["seq"].parse().unwrap())
        .collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    for name in [
        "event_id",
        "aggregate_type",
        "aggregate_id",
        "created_at",
        "source",
    ] {
        assert!(of_post[0].headers.contains_key(name), "{name}");
    }
    assert_eq!(of_post[0].headers["aggregate_id"], post);
    platform.kill().await;
}
