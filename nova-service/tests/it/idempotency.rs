//! The layer on the memory store: what holds for every store is in the conformance suite.

pub(crate) mod lost_commit;
pub(crate) mod sql;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use nova_errors::{Effect, ServiceError};
use nova_models::{CallContext, Subject};
use nova_service::{
    BackgroundWorker, Claim, Command, CommandKey, CommandReply, CommandRouter, Fingerprint,
    IdempotencyLayer, IdempotencyPurge, IdempotencyStore, MemoryIdempotencyStore, ServiceLayer,
    Shutdown, StoredAnswer, conformance,
};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

use crate::answer::{Answer, ask};

pub(crate) use sql::Bank;

#[derive(Debug, Deserialize)]
struct Charge {
    cents: u32,
}

/// A handler that counts its runs, and does what the amount says.
#[derive(Clone, Default)]
struct Charges {
    runs: Arc<AtomicU32>,
    started: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Charges {
    async fn charge(self, command: Command<Charge>) -> Result<CommandReply<String>, ServiceError> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        self.started.notify_one();
        match command.cents {
            0 => {
                self.go_on.notified().await;
            }
            404 => return Err(ServiceError::NotFound("account 7".into()).with_reason("account")),
            503 => {
                let away = ServiceError::ServiceUnavailable("bank".into());
                return Err(away.with_effect(Effect::None));
            }
            500 => return Err(ServiceError::Internal("password of db-7 is hunter2".into())),
            13 => panic!("unlucky"),
            cents if cents > 1_000_000 => return Ok(command.reply("x".repeat(cents as usize))),
            _ => {}
        }
        Ok(command.reply(format!("run {run}: {} cents", command.cents)))
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    fn app(&self, layer: IdempotencyLayer) -> Router {
        let endpoint = || {
            let charges = self.clone();
            move |command: Command<Charge>| charges.clone().charge(command)
        };
        let commands = CommandRouter::new("billing-service")
            .command("charges/create", endpoint())
            .command("charges/other", endpoint())
            .layer(layer)
            .build()
            .unwrap();
        let app = commands.layer(from_fn(authenticate));
        ServiceLayer::new("billing-service").wrap(app)
    }
}

/// Believes the caller, as no real service does.
async fn authenticate(request: Request, next: Next) -> Response {
    let mut context = CallContext::current().unwrap_or_default();
    let name = request.headers().get("x-test-subject");
    context.subject = name.map(|name| Subject::new(name.to_str().unwrap()));
    context.scope(next.run(request)).await
}

struct Sent<'a> {
    endpoint: &'a str,
    subject: Option<&'a str>,
    key: Option<&'a str>,
    id: &'a str,
    command: &'a str,
}

const FIRST: Sent = Sent {
    endpoint: "charges/create",
    subject: None,
    key: Some("key-1"),
    id: "req-1",
    command: r#"{"cents":1200}"#,
};

impl Sent<'_> {
    fn request(&self) -> Request {
        let mut request = Request::post(format!("/api/v1/billing-service/{}", self.endpoint))
            .header("content-type", "application/json");
        if let Some(key) = self.key {
            request = request.header("idempotency-key", format!("\"{key}\""));
        }
        if let Some(subject) = self.subject {
            request = request.header("x-test-subject", subject);
        }
        let body = format!(
            r#"{{"request_id":"{}","source_service":"user-service","target_service":"billing-service","command":{},"timestamp":"2025-10-28T00:00:00Z"}}"#,
            self.id, self.command
        );
        request.body(body.into()).unwrap()
    }

    async fn to(&self, app: &Router) -> Answer {
        ask(app, self.request()).await
    }
}

fn memory() -> (MemoryIdempotencyStore, IdempotencyLayer) {
    let store = MemoryIdempotencyStore::default();
    (store.clone(), IdempotencyLayer::new(store))
}

#[tokio::test]
async fn the_memory_store_does_what_a_store_must() {
    conformance::idempotency_store(&MemoryIdempotencyStore::default()).await;
}

#[tokio::test]
async fn a_repeated_command_gets_the_answer_of_the_first_with_its_own_id() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    let first = FIRST.to(&app).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = Sent {
        id: "req-2",
        command: "{ \"cents\" : 1200 }",
        ..FIRST
    };
    let again = again.to(&app).await;
    assert_eq!(charges.runs(), 1);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("x-request-id"), "req-2");
    assert_eq!(again.shown(), first.shown().replace("req-1", "req-2"));
    insta::assert_snapshot!(again.shown(), @r#"
    200 application/json
    {"request_id":"req-2","success":true,"data":"run 1: 1200 cents","error":null,"timestamp":"…"}
    "#);
}

#[tokio::test]
async fn a_key_that_was_used_with_another_command_is_refused() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    FIRST.to(&app).await;
    let other = Sent {
        command: r#"{"cents":1300}"#,
        ..FIRST
    };
    let refused = other.to(&app).await;
    assert_eq!(charges.runs(), 1);
    insta::assert_snapshot!(refused.shown(), @r#"
    422 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"idempotency_mismatch","message":"the idempotency key was used with another command","retryable":false,"effect":"none","retry_after_ms":null,"violations":[]},"timestamp":"…"}
    "#);
}

#[tokio::test]
async fn a_key_in_flight_is_refused_with_a_time_to_come_back() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    let slow = Sent {
        command: r#"{"cents":0}"#,
        ..FIRST
    };
    let first = tokio::spawn({
        let (app, request) = (app.clone(), slow.request());
        async move { ask(&app, request).await }
    });
    charges.started.notified().await;
    let refused = slow.to(&app).await;
    assert_eq!(refused.header("retry-after"), "1");
    insta::assert_snapshot!(refused.shown(), @r#"
    409 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"aborted","message":"a command with this idempotency key is in flight","retryable":true,"effect":"none","retry_after_ms":100,"violations":[]},"timestamp":"…"}
    "#);

    charges.go_on.notify_one();
    let first = first.await.unwrap();
    assert_eq!(first.status, 200);
    assert_eq!(slow.to(&app).await.shown(), first.shown());
    assert_eq!(charges.runs(), 1);
}

#[tokio::test]
async fn a_failure_for_good_is_answered_again_and_one_that_may_pass_is_tried_again() {
    for (command, runs) in [
        (r#"{"cents":404}"#, 1),
        (r#"{"cents":500}"#, 1),
        (r#"{"cents":13}"#, 1),
        (r#"{"cents":503}"#, 2),
    ] {
        let charges = Charges::default();
        let app = charges.app(memory().1);
        let sent = Sent { command, ..FIRST };
        let first = sent.to(&app).await;
        let again = sent.to(&app).await;
        assert_eq!(charges.runs(), runs, "{command}");
        assert_eq!(again.shown(), first.shown());
        let replayed = if runs == 1 { "true" } else { "" };
        assert_eq!(again.header("idempotency-replayed"), replayed, "{command}");
        assert!(
            again.body.contains(r#""effect":"unknown""#),
            "{}",
            again.body
        );
        assert!(!again.body.contains("hunter2"));
    }
}

#[tokio::test]
async fn a_key_counts_within_its_subject_and_endpoint() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    let alice = Sent {
        subject: Some("alice"),
        ..FIRST
    };
    let bob = Sent {
        subject: Some("bob"),
        ..FIRST
    };
    let elsewhere = Sent {
        endpoint: "charges/other",
        ..FIRST
    };
    for _ in 0..2 {
        for sent in [&FIRST, &alice, &bob, &elsewhere] {
            assert_eq!(sent.to(&app).await.status, 200);
        }
    }
    assert_eq!(charges.runs(), 4);
}

#[tokio::test]
async fn a_command_without_a_key_runs_each_time_unless_one_is_required() {
    let unkeyed = Sent { key: None, ..FIRST };
    let charges = Charges::default();
    let app = charges.app(memory().1);
    for _ in 0..2 {
        assert_eq!(unkeyed.to(&app).await.status, 200);
    }
    assert_eq!(charges.runs(), 2);

    let app = charges.app(memory().1.require_key());
    let refused = unkeyed.to(&app).await;
    assert_eq!(charges.runs(), 2);
    insta::assert_snapshot!(refused.shown(), @r#"
    400 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"validation","message":"idempotency-key: missing","retryable":false,"effect":"none","retry_after_ms":null,"violations":[{"field":"idempotency-key","message":"missing"}]},"timestamp":"…"}
    "#);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_given_once_and_the_command_done_once() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    let large = Sent {
        command: r#"{"cents":1000001}"#,
        ..FIRST
    };
    let first = large.to(&app).await;
    assert_eq!(first.status, 200);
    assert!(first.body.len() > 1_000_000);
    let again = large.to(&app).await;
    assert_eq!(charges.runs(), 1);
    insta::assert_snapshot!(again.shown(), @r#"
    409 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"conflict.answer_not_kept","message":"it was done, and its answer is not kept","retryable":false,"effect":"unknown","retry_after_ms":null,"violations":[]},"timestamp":"…"}
    "#);
}

#[tokio::test]
async fn what_is_refused_before_the_handler_is_refused_as_ever_and_not_kept() {
    let charges = Charges::default();
    let (store, layer) = memory();
    let app = charges.app(layer);
    let bare = CommandRouter::new("billing-service")
        .command("charges/create", {
            let charges = charges.clone();
            move |command: Command<Charge>| charges.clone().charge(command)
        })
        .build()
        .unwrap();
    let bare = ServiceLayer::new("billing-service").wrap(bare);
    let malformed = [
        Sent {
            command: r#"{"cents":"many"}"#,
            ..FIRST
        },
        Sent {
            command: "{",
            ..FIRST
        },
        Sent {
            id: "not valid",
            ..FIRST
        },
        Sent {
            endpoint: "charges/none",
            ..FIRST
        },
    ];
    for sent in malformed {
        let refused = sent.to(&app).await;
        let mut expected = sent.to(&bare).await;
        if !expected.body.contains("req-1") {
            let (of, new) = (
                refused.header("x-request-id"),
                expected.header("x-request-id"),
            );
            expected.body = expected.body.replace(new, of);
        }
        assert_eq!(refused.shown(), expected.shown());
        assert!(
            refused.body.contains(r#""effect":"none""#),
            "{}",
            refused.body
        );
    }
    assert_eq!(charges.runs(), 0);
    assert!(store.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_dropped_gives_its_key_back() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    let slow = Sent {
        command: r#"{"cents":0}"#,
        ..FIRST
    };
    let mut request = slow.request();
    let deadline = axum::http::HeaderValue::from_static("100");
    request.headers_mut().insert("x-nova-deadline-ms", deadline);
    assert_eq!(ask(&app, request).await.status, 504);
    charges.go_on.notify_one();
    assert_eq!(slow.to(&app).await.status, 200);
    assert_eq!(charges.runs(), 2);
}

struct Away;

#[async_trait]
impl IdempotencyStore for Away {
    async fn claim(&self, _: &CommandKey, _: &Fingerprint) -> Result<Claim, ServiceError> {
        Err(ServiceError::ServiceUnavailable("store".into()))
    }
}

#[tokio::test]
async fn where_the_store_is_away_no_handler_runs() {
    let charges = Charges::default();
    let app = charges.app(IdempotencyLayer::new(Away));
    let refused = FIRST.to(&app).await;
    assert_eq!(charges.runs(), 0);
    insta::assert_snapshot!(refused.shown(), @r#"
    503 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"service_unavailable","message":"store","retryable":true,"effect":"none","retry_after_ms":null,"violations":[]},"timestamp":"…"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_purge_deletes_what_is_over_until_it_is_asked_to_stop() {
    let store = MemoryIdempotencyStore::default();
    let retention = Duration::from_secs(30);
    for n in 0..2500 {
        let key = CommandKey::new(None, "a", "b", &n.to_string());
        let claim = store
            .claim(&key, &Fingerprint::of(&json!(n)))
            .await
            .unwrap();
        let Claim::Acquired(claim) = claim else {
            panic!("a new key is free");
        };
        claim
            .confirm(&StoredAnswer::unkept(), retention)
            .await
            .unwrap();
    }
    let (trigger, shutdown) = Shutdown::new();
    let purge = IdempotencyPurge::new(store.clone());
    let worker = tokio::spawn(async move { purge.run(shutdown).await });
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(store.len(), 2500);
    tokio::time::sleep(Duration::from_secs(32)).await;
    assert!(store.is_empty());
    trigger.shutdown();
    worker.await.unwrap().unwrap();
}
