use reqwest::StatusCode;
use serde_json::Value;

use crate::service::{Service, Tokens};

#[tokio::test]
async fn a_token_says_who_logged_in() {
    let service = Service::start().await;
    let (_, account) = service.register("alice").await;
    let (status, body) = service.log_in("alice", "correct horse").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body["user_id"], account["user_id"]);

    let claims = service
        .auth
        .verify_token(&Tokens::of(&body).access)
        .await
        .unwrap();
    assert_eq!(claims.user_id.to_string(), account["user_id"]);
    assert_eq!(claims.username, "alice");
    assert_eq!(claims.email, "alice@example.org");
    assert!(claims.has_scope("user"));
    let lifetime = claims.expires_at - claims.issued_at;
    assert_eq!(lifetime.num_seconds(), 900);
}

#[tokio::test]
async fn the_address_serves_as_the_name() {
    let service = Service::start().await;
    service.register("alice").await;
    for name in ["alice@example.org", "Alice@Example.org", "ALICE"] {
        let (status, body) = service.log_in(name, "correct horse").await;
        assert_eq!(status, StatusCode::OK, "{name}: {body}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let service = Service::start().await;
    service.register("alice").await;
    let long = "a".repeat(1000);
    let mut answers = Vec::new();
    for (name, password) in [
        ("alice", "wrong horse"),
        ("nobody", "correct horse"),
        ("alice", ""),
        ("alice", &long),
        ("nobody", &long),
    ] {
        let (status, mut body) = service.log_in(name, password).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["code"], "authentication.credentials");
        body["instance"] = Value::Null;
        answers.push(body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}
