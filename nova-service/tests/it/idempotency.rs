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
    BackgroundWorker, Claim, Command, CommandClaim, CommandKey, CommandReply, CommandRouter,
    Fingerprint, IdempotencyLayer, IdempotencyPurge, IdempotencyStore, MemoryIdempotencyStore,
    ServiceLayer, Shutdown, StoredAnswer, conformance,
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

/// A store that fails each time, in the way that it is told.
struct Failing(ServiceError);

#[async_trait]
impl IdempotencyStore for Failing {
    async fn claim(&self, _: &CommandKey, _: &Fingerprint) -> Result<Claim, ServiceError> {
        Err(self.0.clone())
    }

    async fn purge(&self, _: u32) -> Result<u64, ServiceError> {
        Err(self.0.clone())
    }
}

#[tokio::test]
async fn where_the_store_is_away_no_handler_runs() {
    let charges = Charges::default();
    let away = ServiceError::ServiceUnavailable("store".into());
    let app = charges.app(IdempotencyLayer::new(Failing(away)));
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

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_said_to_have_no_effect() {
    let charges = Charges::default();
    let damaged = ServiceError::DataLoss("read an answer".into());
    let app = charges.app(IdempotencyLayer::new(Failing(damaged)));
    let refused = FIRST.to(&app).await;
    assert_eq!(charges.runs(), 0);
    insta::assert_snapshot!(refused.shown(), @r#"
    500 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"data_loss","message":"internal error","retryable":false,"effect":"unknown","retry_after_ms":null,"violations":[]},"timestamp":"…"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_fails_does_not_end_the_service() {
    for error in [
        ServiceError::ServiceUnavailable("database".into()),
        ServiceError::Internal("privileges".into()),
    ] {
        let (trigger, shutdown) = Shutdown::new();
        let purge = IdempotencyPurge::new(Failing(error));
        let worker = tokio::spawn(async move { purge.run(shutdown).await });
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(!worker.is_finished());
        trigger.shutdown();
        worker.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn where_a_subject_is_required_nobody_else_runs_a_command_or_gets_its_answer() {
    let charges = Charges::default();
    let (_, layer) = memory();
    let app = charges.app(layer.clone().require_subject());
    let alice = Sent {
        subject: Some("alice"),
        ..FIRST
    };
    assert_eq!(alice.to(&app).await.status, 200);
    let unkeyed = Sent { key: None, ..FIRST };
    assert_eq!(unkeyed.to(&app).await.status, 401);
    let refused = FIRST.to(&app).await;
    insta::assert_snapshot!(refused.shown(), @r#"
    401 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"authentication","message":"authentication required","retryable":false,"effect":"none","retry_after_ms":null,"violations":[]},"timestamp":"…"}
    "#);

    // Authenticated inside of the layer, and so too late.
    let commands = CommandRouter::new("billing-service")
        .command("charges/create", {
            let charges = charges.clone();
            move |command: Command<Charge>| charges.clone().charge(command)
        })
        .layer(from_fn(authenticate))
        .layer(layer.require_subject())
        .build()
        .unwrap();
    let app = ServiceLayer::new("billing-service").wrap(commands);
    assert_eq!(alice.to(&app).await.status, 401);
    assert_eq!(charges.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_retention_is_shorter_than_the_retries_of_a_call() {
    let charges = Charges::default();
    let app = charges.app(memory().1.retention(Duration::ZERO));
    FIRST.to(&app).await;
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(FIRST.to(&app).await.header("idempotency-replayed"), "true");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(FIRST.to(&app).await.header("idempotency-replayed"), "");
    assert_eq!(charges.runs(), 2);
}

#[tokio::test]
async fn commands_differ_in_what_no_number_of_64_bits_holds() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    let one = Sent {
        command: r#"{"cents":1,"wei":12345678901234567890123}"#,
        ..FIRST
    };
    let other = Sent {
        command: r#"{"cents":1,"wei":12345678901234567890124}"#,
        ..FIRST
    };
    assert_eq!(one.to(&app).await.status, 200);
    assert_eq!(other.to(&app).await.status, 422);
    assert_eq!(charges.runs(), 1);
}

#[tokio::test]
async fn a_command_nested_deeper_than_the_bound_is_refused() {
    let charges = Charges::default();
    let app = charges.app(memory().1);
    let deep = format!(
        r#"{{"cents":1,"a":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let refused = Sent {
        command: &deep,
        ..FIRST
    };
    let refused = refused.to(&app).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(charges.runs(), 0);
}

#[tokio::test]
async fn a_long_failure_is_kept_without_its_words() {
    let runs = Arc::new(AtomicU32::new(0));
    let handler = {
        let runs = runs.clone();
        move |_: Command<Charge>| {
            runs.fetch_add(1, Ordering::SeqCst);
            let error = ServiceError::NotFound("x".repeat(300_000).into());
            async { Err::<CommandReply<()>, _>(error) }
        }
    };
    let commands = CommandRouter::new("billing-service")
        .command("charges/create", handler)
        .layer(memory().1)
        .build()
        .unwrap();
    let app = ServiceLayer::new("billing-service").wrap(commands);
    assert!(FIRST.to(&app).await.body.len() > 300_000);
    insta::assert_snapshot!(FIRST.to(&app).await.shown(), @r#"
    404 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"not_found","message":"not found","retryable":false,"effect":"unknown","retry_after_ms":null,"violations":[]},"timestamp":"…"}
    "#);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_whose_body_breaks_off_is_not_done_again() {
    use axum::body::Body;

    let runs = Arc::new(AtomicU32::new(0));
    let handler = {
        let runs = runs.clone();
        move |_: Command<Charge>| {
            runs.fetch_add(1, Ordering::SeqCst);
            // It says how long it is, and breaks off.
            let body = http_body_util::StreamBody::new(futures::stream::iter([Err::<
                http_body::Frame<axum::body::Bytes>,
                _,
            >(
                std::io::Error::other("broken off"),
            )]));
            let body = Body::new(Sized(body));
            async { Response::new(body) }
        }
    };
    let commands = CommandRouter::new("billing-service")
        .command("charges/create", handler)
        .layer(memory().1)
        .build()
        .unwrap();
    let app = ServiceLayer::new("billing-service").wrap(commands);
    for replayed in ["", "true"] {
        let answer = FIRST.to(&app).await;
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert_eq!(answer.header("idempotency-replayed"), replayed);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// A body that announces ten bytes.
struct Sized<B>(B);

impl<B: http_body::Body + Unpin> http_body::Body for Sized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(10)
    }
}

/// Loses its claims, as one in Redis does where the process stood still.
struct Lossy;

#[async_trait]
impl IdempotencyStore for Lossy {
    async fn claim(&self, _: &CommandKey, _: &Fingerprint) -> Result<Claim, ServiceError> {
        Ok(Claim::Acquired(Box::new(Lossy)))
    }
}

#[async_trait]
impl CommandClaim for Lossy {
    async fn hold(&mut self) {}

    async fn confirm(self: Box<Self>, _: &StoredAnswer, _: Duration) -> Result<(), ServiceError> {
        Err(ServiceError::Aborted("the claim ran out".into()))
    }

    async fn release(self: Box<Self>) -> Result<(), ServiceError> {
        Err(ServiceError::Aborted("the claim ran out".into()))
    }
}

/// Tells that it is held.
struct Watched(Arc<Notify>);

#[async_trait]
impl IdempotencyStore for Watched {
    async fn claim(&self, _: &CommandKey, _: &Fingerprint) -> Result<Claim, ServiceError> {
        Ok(Claim::Acquired(Box::new(Watched(self.0.clone()))))
    }
}

#[async_trait]
impl CommandClaim for Watched {
    async fn hold(&mut self) {
        self.0.notify_one();
        std::future::pending::<()>().await;
    }

    async fn confirm(self: Box<Self>, _: &StoredAnswer, _: Duration) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_held_while_the_handler_runs() {
    let charges = Charges::default();
    // The handler goes on once its claim is held, and else comes to its deadline.
    let store = Watched(charges.go_on.clone());
    let app = charges.app(IdempotencyLayer::new(store));
    let slow = Sent {
        command: r#"{"cents":0}"#,
        ..FIRST
    };
    let mut request = slow.request();
    let deadline = axum::http::HeaderValue::from_static("1000");
    request.headers_mut().insert("x-nova-deadline-ms", deadline);
    assert_eq!(ask(&app, request).await.status, 200);
}

#[test]
fn what_becomes_of_commands_is_counted_and_a_lost_claim_spoils_no_answer() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let requests = async {
        let charges = Charges::default();
        let small = MemoryIdempotencyStore::new(1);
        let app = charges.app(IdempotencyLayer::new(small));
        let other = Sent {
            command: r#"{"cents":7}"#,
            ..FIRST
        };
        let elsewhere = Sent {
            endpoint: "charges/other",
            ..FIRST
        };
        let unkeyed = Sent { key: None, ..FIRST };
        for sent in [&FIRST, &FIRST, &other, &unkeyed, &elsewhere] {
            sent.to(&app).await;
        }
        let lossy = charges.app(IdempotencyLayer::new(Lossy));
        assert_eq!(FIRST.to(&lossy).await.status, 200);
        let away = ServiceError::ServiceUnavailable("store".into());
        FIRST
            .to(&charges.app(IdempotencyLayer::new(Failing(away))))
            .await;
    };
    metrics::with_local_recorder(&recorder, || runtime.block_on(requests));
    let mut counted: Vec<_> = handle
        .render()
        .lines()
        .filter(|line| line.starts_with("nova_idempot"))
        .map(str::to_owned)
        .collect();
    counted.sort();
    insta::assert_snapshot!(counted.join("\n"), @r#"
    nova_idempotency_forgotten_total 1
    nova_idempotency_unconfirmed_total 1
    nova_idempotent_commands_total{outcome="mismatch"} 1
    nova_idempotent_commands_total{outcome="new"} 3
    nova_idempotent_commands_total{outcome="replayed"} 1
    nova_idempotent_commands_total{outcome="store_failed"} 1
    nova_idempotent_commands_total{outcome="unkeyed"} 1
    "#);
}
