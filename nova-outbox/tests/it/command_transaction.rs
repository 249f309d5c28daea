//! Events of an idempotent command, in the transaction that `nova-service` commits with its answer.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use nova_errors::ServiceError;
use nova_outbox::{Outbox, OutboxProcessor};
use nova_service::{
    Command, CommandReply, CommandRouter, CommandTransaction, IdempotencyLayer, ServiceLayer,
    SqlIdempotencyStore, migrate_idempotency,
};
use sqlx::Sqlite;
use tower::ServiceExt;

use crate::sample::event;
use crate::scripted_publisher::ScriptedPublisher;
use crate::service::Service;

#[tokio::test]
async fn the_commit_of_a_command_wakes_the_relay_and_a_repeated_one_enqueues_nothing() {
    let service = Service::sqlite().await;
    migrate_idempotency(&service.pool).await.unwrap();
    let publisher = ScriptedPublisher::acknowledging();
    let never = Duration::from_secs(60);
    let relay = OutboxProcessor::new(service.repository(), publisher.clone(), 100, never, 3)
        .wake_on(&service.outbox)
        .start();
    let app = app(&service);
    for number in 0..20 {
        for _ in 0..2 {
            assert_eq!(send(&app, number).await, 200);
        }
        // It enqueues and fails for good, and so it enqueues nothing.
        assert_eq!(send(&app, number + 1000).await, 404);
        publisher
            .wait_for(usize::try_from(number).unwrap() + 1)
            .await;
    }
    relay.shutdown(never).await.unwrap();
    assert_eq!(publisher.sent().len(), 20);
}

fn app(service: &Service<Sqlite>) -> Router {
    let waking = service.outbox.clone();
    let handler = move |mut tx: CommandTransaction<Sqlite>, command: Command<u32>| {
        let waking = waking.clone();
        async move {
            // One that no relay listens to: what wakes the relay is the commit alone.
            let outbox: Outbox<Sqlite> = Outbox::new();
            outbox.enqueue(&mut tx, event("a", *command)).await?;
            tx.after_commit(move || waking.wake());
            if *command >= 1000 {
                return Err(ServiceError::NotFound("account".into()));
            }
            Ok::<CommandReply<u32>, ServiceError>(command.reply(*command))
        }
    };
    let store = SqlIdempotencyStore::new(service.pool.clone());
    let commands = CommandRouter::new("content-service")
        .command("posts/update", handler)
        .layer(IdempotencyLayer::new(store))
        .build()
        .unwrap();
    ServiceLayer::new("content-service").wrap(commands)
}

async fn send(app: &Router, number: u32) -> u16 {
    let body = format!(
        r#"{{"request_id":"req-{number}","source_service":"test","target_service":"content-service","command":{number},"timestamp":"2025-10-28T00:00:00Z"}}"#
    );
    let request = Request::post("/api/v1/content-service/posts/update")
        .header("content-type", "application/json")
        .header("idempotency-key", format!("\"{number}\""))
        .body(Body::from(body))
        .unwrap();
    app.clone()
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}
