use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use nova_auth_client::AuthClient;
use nova_client::circuit_breaker::CircuitOpen;
use nova_errors::{Chain, ErrorKind, ServiceError};
use nova_models::{AccessToken, CallContext, Deadline};
use tokio::time::Instant;

use crate::network::{start, start_with};
use crate::scripted_service::{Script, user_id};

/// Verifies until answers come from memory, which takes the stream of revocations.
pub(crate) async fn warm(auth: &AuthClient, script: &Script, token: &str) {
    for _ in 0..1000 {
        auth.verify_token(token).await.unwrap();
        let before = script.verifications();
        auth.verify_token(token).await.unwrap();
        if script.verifications() == before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no answer came from memory");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_known_is_not_asked_about_again() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    warm(&auth, &script, "alice").await;
    let before = script.verifications();
    for _ in 0..100 {
        let claims = auth.verify_token("alice").await.unwrap();
        assert_eq!(claims.user_id, user_id("alice"));
        assert_eq!(auth.get_user_id("alice").await.unwrap(), user_id("alice"));
    }
    assert_eq!(script.verifications(), before);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_verifications_of_one_unknown_token_make_one_call() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    warm(&auth, &script, "bob").await;
    let before = script.verifications();
    let outcomes = join_all((0..1000).map(|_| auth.verify_token("alice"))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(script.verifications(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stands_for_a_second() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    let forged = ServiceError::Authentication("the access token is forged".into());
    script.fail("mallory", forged.with_reason("forged"));
    for _ in 0..10 {
        let error = auth.verify_token("mallory").await.unwrap_err();
        assert_eq!(error.code(), "authentication.forged");
    }
    assert_eq!(script.verifications(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    auth.verify_token("mallory").await.unwrap_err();
    assert_eq!(script.verifications(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_ask_is_not_remembered() {
    let script = Script::new();
    let (auth, network) = start(Arc::clone(&script));
    network.cut();
    let error = auth.verify_token("alice").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(error.attempts(), 3);
    assert!(error.is_retryable() && !error.is_retryable_by_peers());
    network.restore();
    auth.verify_token("alice").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_made_again_within_the_call() {
    let script = Script::new();
    let (auth, network) = start(Arc::clone(&script));
    script.hold();
    let call = tokio::spawn({
        let auth = auth.clone();
        async move { auth.verify_token("alice").await }
    });
    until(|| script.decided.load(Ordering::SeqCst) == 1).await;
    network.cut();
    network.restore();
    script.answer(2);
    assert!(call.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_is_a_timeout_after_two_seconds() {
    let script = Script::new();
    script.hold();
    let (auth, _network) = start(Arc::clone(&script));
    let began = Instant::now();
    let error = auth.verify_token("alice").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_one_caller_is_not_that_of_the_others() {
    let script = Script::new();
    script.hold();
    let (auth, _network) = start(Arc::clone(&script));
    let deadline = Deadline::after(Instant::now().into_std(), Duration::from_millis(50));
    let mut hurried = CallContext::new();
    hurried.deadline = Some(deadline);
    let mut hurried = Box::pin(hurried.scope(auth.verify_token("alice")));
    let mut patient = Box::pin(auth.verify_token("alice"));
    let error = tokio::select! {
        outcome = &mut hurried => outcome.unwrap_err(),
        _ = &mut patient => panic!("nothing was answered"),
    };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    drop(hurried);
    script.answer(1);
    patient.await.unwrap();
    assert_eq!(script.verifications(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_service_may_not_answer_is_no_error_of_the_request() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    for kind in ErrorKind::ALL {
        script.fail("alice", ServiceError::new(kind, "hunter2"));
        let error = auth.verify_token("alice").await.unwrap_err();
        let expected = match kind {
            // An UNAUTHENTICATED without a reason among them: a proxy's, of which no user is to hear.
            ErrorKind::RateLimited | ErrorKind::Timeout | ErrorKind::ServiceUnavailable => kind,
            _ => ErrorKind::Upstream,
        };
        assert_eq!(error.kind(), expected);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_makes_no_call() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    let long = "a".repeat(8193);
    for token in ["", "a b", "a\r\nx: y", "a\0", "ä", &long] {
        let error = auth.verify_token(token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
    }
    assert_eq!(script.verifications(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_request_and_its_trace_go_along_with_a_deadline() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    let mut context = CallContext::new();
    context.request_id = Some("req-1".parse().unwrap());
    context.scope(auth.verify_token("alice")).await.unwrap();
    let metadata = script.metadata.lock().unwrap();
    let has = |name: &str| metadata.iter().find(|(known, _)| known == name);
    assert_eq!(has("x-request-id").unwrap().1, "req-1");
    assert!(has("grpc-timeout").is_some());
}

#[tokio::test(start_paused = true)]
async fn neither_the_callers_token_nor_its_deadline_is_that_of_a_verification_for_many() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    let mut context = CallContext::new();
    context.token = Some(AccessToken::new("the-callers"));
    let soon = Instant::now() + Duration::from_millis(100);
    context.deadline = Some(Deadline::at(soon.into_std()));
    context.scope(auth.verify_token("alice")).await.unwrap();
    let metadata = script.metadata.lock().unwrap();
    let has = |name: &str| metadata.iter().find(|(known, _)| known == name);
    assert_eq!(has("authorization"), None);
    assert_eq!(has("grpc-timeout").unwrap().1, "2000000u");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_for_long_is_asked_no_more_for_a_second_and_then_again() {
    let script = Script::new();
    let (auth, network) = start(Arc::clone(&script));
    network.cut();
    let open = |error: &ServiceError| error.find_source::<CircuitOpen>().is_some();
    let mut failures = 0;
    while !open(&auth.verify_token("alice").await.unwrap_err()) {
        failures += 1;
        assert!(failures < 100, "it never opens");
    }
    network.restore();
    let error = auth.verify_token("alice").await.unwrap_err();
    assert!(open(&error), "a second has not passed");
    tokio::time::advance(Duration::from_millis(1200)).await;
    for token in ["alice", "bob", "carol", "dave"] {
        assert!(auth.verify_token(token).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_shows_nowhere() {
    const TOKEN: &str = "s3cr3t-t0k3n";
    let script = Script::new();
    script.has_stream.store(false, Ordering::SeqCst);
    let builder = AuthClient::builder().timeout(Duration::from_millis(200));
    let (auth, network) = start_with(Arc::clone(&script), builder);
    auth.verify_token(TOKEN).await.unwrap();
    let mut errors = Vec::new();
    for kind in ErrorKind::ALL {
        script.fail(TOKEN, ServiceError::new(kind, "no"));
        errors.push(auth.verify_token(TOKEN).await.unwrap_err());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    network.cut();
    errors.push(auth.verify_token(TOKEN).await.unwrap_err());
    for error in errors {
        let shown = format!("{error} {error:?} {} {auth:?}", Chain(&error));
        assert!(!shown.contains(TOKEN), "{shown}");
    }
}

pub(crate) async fn until(condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come about");
}
