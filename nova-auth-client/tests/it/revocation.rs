use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nova_auth_client::AuthClient;
use nova_auth_client::proto::revocation::Target;
use nova_errors::{ErrorKind, ServiceError};
use tokio::time::Instant;

use crate::network::start;
use crate::scripted_service::{Script, user_id};
use crate::verification::{until, warm};

fn session(token: &str) -> Target {
    Target::TokenId(format!("id-of-{token}"))
}

/// Verifies until it fails, which takes less than a second.
async fn soon_refused(auth: &AuthClient, token: &str) -> ServiceError {
    let began = Instant::now();
    loop {
        if let Err(error) = auth.verify_token(token).await {
            return error;
        }
        assert!(began.elapsed() < Duration::from_secs(1), "it still works");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_stops_working_within_a_second() {
    let by_user = Target::UserId(user_id("alice").to_string());
    for target in [session("alice"), by_user] {
        let script = Script::new();
        let (auth, _network) = start(Arc::clone(&script));
        warm(&auth, &script, "alice").await;
        warm(&auth, &script, "bob").await;
        script.revoke("alice", target);
        assert_eq!(
            soon_refused(&auth, "alice").await.code(),
            "authentication.revoked"
        );
        let before = script.verifications();
        auth.verify_token("bob").await.unwrap();
        assert_eq!(script.verifications(), before, "bob is not concerned");
    }
}

#[tokio::test(start_paused = true)]
async fn a_verification_in_flight_does_not_undo_a_revocation() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    warm(&auth, &script, "bob").await;
    script.hold();
    let decided = script.decided.load(Ordering::SeqCst);
    let call = tokio::spawn({
        let auth = auth.clone();
        async move { auth.verify_token("alice").await }
    });
    // The service has said yes, and the answer is on its way.
    until(|| script.decided.load(Ordering::SeqCst) > decided).await;
    script.revoke("alice", session("alice"));
    // Two heartbeats bring the revocation first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    script.answer(2);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "authentication.revoked");
}

#[tokio::test(start_paused = true)]
async fn while_the_stream_is_silent_each_token_goes_to_the_service() {
    let script = Script::new();
    let (auth, _network) = start(Arc::clone(&script));
    warm(&auth, &script, "alice").await;
    script.speaks.store(false, Ordering::SeqCst);
    tokio::time::advance(Duration::from_millis(600)).await;
    let before = script.verifications();
    for _ in 0..3 {
        auth.verify_token("alice").await.unwrap();
    }
    assert_eq!(script.verifications(), before + 3);
    script.speaks.store(true, Ordering::SeqCst);
    warm(&auth, &script, "alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_without_the_stream_is_asked_each_time() {
    let script = Script::new();
    script.has_stream.store(false, Ordering::SeqCst);
    let (auth, _network) = start(Arc::clone(&script));
    for _ in 0..3 {
        auth.verify_token("alice").await.unwrap();
        tokio::time::advance(Duration::from_millis(250)).await;
    }
    assert_eq!(script.verifications(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_during_a_cut_counts_at_once_when_the_network_is_back() {
    let script = Script::new();
    let (auth, network) = start(Arc::clone(&script));
    warm(&auth, &script, "alice").await;
    warm(&auth, &script, "bob").await;
    network.cut();
    let error = soon_refused(&auth, "alice").await;
    assert_eq!(
        error.kind(),
        ErrorKind::ServiceUnavailable,
        "it fails closed"
    );
    script.revoke("alice", session("alice"));
    network.restore();
    let error = auth.verify_token("alice").await.unwrap_err();
    assert_eq!(error.code(), "authentication.revoked");
    until(|| script.cursors.lock().unwrap().len() > 1).await;
    assert_eq!(
        script.cursors.lock().unwrap()[1],
        "0",
        "it goes on where it was"
    );
    warm(&auth, &script, "bob").await;
    let error = auth.verify_token("alice").await.unwrap_err();
    assert_eq!(error.code(), "authentication.revoked");
}

#[tokio::test(start_paused = true)]
async fn a_lost_cursor_makes_all_be_verified_again() {
    let script = Script::new();
    let (auth, network) = start(Arc::clone(&script));
    script.revoke("mallory", session("mallory"));
    warm(&auth, &script, "alice").await;
    script.revoke("alice", session("alice"));
    network.cut();
    // The service has forgotten what it revoked, as far as the stream goes.
    script.revoked.lock().unwrap().clear();
    soon_refused(&auth, "alice").await;
    network.restore();
    warm(&auth, &script, "bob").await;
    let error = auth.verify_token("alice").await.unwrap_err();
    assert_eq!(error.code(), "authentication.revoked");
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_client() {
    let script = Script::new();
    let (auth, network) = start(Arc::clone(&script));
    warm(&auth, &script, "alice").await;
    drop(auth.clone());
    warm(&auth, &script, "alice").await;
    drop(auth);
    let opened = script.cursors.lock().unwrap().len();
    network.cut();
    network.restore();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::task::yield_now().await;
    assert_eq!(script.cursors.lock().unwrap().len(), opened);
}
