//! What the envelope of a failure says of the effect of its command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use axum::middleware::Next;
use axum::routing::post;
use nova_errors::{Effect, ServiceError};
use nova_service::{
    Command, CommandReply, CommandRouter, IdempotencyLayer, Json, MemoryIdempotencyStore, RawBody,
    ServiceLayer,
};
use serde_json::Value;

use crate::answer::{Answer, ask};
use crate::command::{envelope, post_envelope};

/// What a call inside of a handler fails with that its peer had not begun.
fn failed<T>(_: T) -> std::future::Ready<Result<(), ServiceError>> {
    let error = ServiceError::ServiceUnavailable("connect".into());
    std::future::ready(Err(error.with_effect(Effect::None)))
}

async fn relay(command: Command<Value>) -> Result<CommandReply<()>, ServiceError> {
    failed(()).await?;
    Ok(command.reply(()))
}

fn path(endpoint: &str) -> String {
    format!("/api/v1/streaming-service/{endpoint}")
}

fn expect_effect(answer: &Answer, effect: &str) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    let effect = format!(r#""effect":"{effect}""#);
    assert!(answer.body.contains(&effect), "{}", answer.body);
}

fn commands() -> CommandRouter {
    CommandRouter::new("streaming-service")
        .command("relay", relay)
        .command("our-json", failed::<Json<Value>>)
        .command("our-bytes", failed::<RawBody>)
        .command("json", failed::<axum::Json<Value>>)
        .command("bytes", failed::<Bytes>)
        .command("text", failed::<String>)
        .command("request", async |request: Request<Body>| {
            failed(axum::body::to_bytes(request.into_body(), 1024).await).await
        })
        .command("ignored", || failed(()))
}

#[tokio::test]
async fn a_call_without_effect_inside_a_handler_does_not_make_the_command_one() {
    let layer = ServiceLayer::new("streaming-service");
    let once = IdempotencyLayer::new(MemoryIdempotencyStore::default());
    for commands in [commands(), commands().layer(once)] {
        let app = layer.clone().wrap(commands.build().unwrap());
        for endpoint in [
            "relay",
            "our-json",
            "our-bytes",
            "json",
            "bytes",
            "text",
            "request",
            "ignored",
        ] {
            expect_effect(&post_envelope(&app, &path(endpoint)).await, "unknown");
        }
    }
}

#[tokio::test]
async fn nor_on_a_route_of_its_own() {
    let app = Router::new().route(&path("plain"), post(failed::<axum::Json<Value>>));
    let app = ServiceLayer::new("streaming-service").wrap(app);
    expect_effect(&post_envelope(&app, &path("plain")).await, "unknown");
}

#[tokio::test]
async fn a_failure_that_a_handler_with_foreign_extractors_had_for_good_is_kept() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let charge = async move |_: axum::Json<Value>| {
        counted.fetch_add(1, Ordering::SeqCst);
        // What a peer says of its own part, after this handler has done its part.
        Err::<(), _>(ServiceError::Conflict("peer".into()).with_effect(Effect::None))
    };
    let commands = CommandRouter::new("streaming-service")
        .command("charge", charge)
        .layer(IdempotencyLayer::new(MemoryIdempotencyStore::default()))
        .build()
        .unwrap();
    let app = ServiceLayer::new("streaming-service").wrap(commands);
    for _ in 0..2 {
        let request = Request::post(path("charge"))
            .header("content-type", "application/json")
            .header("idempotency-key", "\"a\"")
            .body(envelope("{}").into())
            .unwrap();
        let answer = ask(&app, request).await;
        assert_eq!(answer.status, 409);
        assert!(
            answer.body.contains(r#""effect":"unknown""#),
            "{}",
            answer.body
        );
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_layer_refuses_before_the_handler_has_no_effect() {
    async fn away(_: Request<Body>, _: Next) -> ServiceError {
        ServiceError::ServiceUnavailable("auth".into()).with_effect(Effect::None)
    }
    let app = commands().build().unwrap();
    let app = app.layer(axum::middleware::from_fn(away));
    let app = ServiceLayer::new("streaming-service").wrap(app);
    for endpoint in ["relay", "json", "ignored"] {
        expect_effect(&post_envelope(&app, &path(endpoint)).await, "none");
    }
}

#[tokio::test]
async fn a_fall_back_is_a_handler_whose_failure_may_have_had_an_effect() {
    let app = Router::new().fallback(async || StatusCode::SERVICE_UNAVAILABLE);
    let app = ServiceLayer::new("streaming-service").wrap(app);
    expect_effect(&post_envelope(&app, &path("any")).await, "unknown");
}
