use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::service::Service;

#[tokio::test]
async fn who_registers_gets_an_account_and_others_hear_of_it() {
    let service = Service::start().await;
    let (status, body) = service.register("alice").await;
    assert_eq!(status, StatusCode::CREATED);
    let id = body["user_id"].as_str().unwrap();
    assert_eq!(id.parse::<Uuid>().unwrap().get_version_num(), 7);
    let expected = json!({
        "user_id": id,
        "username": "alice",
        "email": "alice@example.org",
        "created_at": body["created_at"],
    });
    assert_eq!(body, expected);
    let event = ("identity.user.created".to_owned(), id.to_owned(), expected);
    assert_eq!(service.events().await, [event]);
}

#[tokio::test]
async fn a_name_and_an_address_have_one_account() {
    let service = Service::start().await;
    service.register("alice").await;
    for (username, email) in [
        ("alice", "other@example.org"),
        ("other", "alice@example.org"),
        ("other", "ALICE@Example.org"),
    ] {
        let body = json!({ "username": username, "email": email, "password": "correct horse" });
        let (status, body) = service.post("/api/v1/auth/register", body).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(body["code"], "conflict.taken");
    }
    assert_eq!(service.events().await.len(), 1);
}

#[tokio::test]
async fn what_breaks_a_rule_is_named() {
    let service = Service::start().await;
    let body = json!({ "username": "Al", "email": "nobody", "password": "hunter2" });
    let (status, body) = service.post("/api/v1/auth/register", body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let violations = body["violations"].as_array().unwrap();
    let fields: Vec<_> = violations
        .iter()
        .map(|violation| &violation["field"])
        .collect();
    assert_eq!(fields, ["username", "email", "password"]);
    assert!(!body.to_string().contains("hunter2"));

    let (status, body) = service
        .post("/api/v1/auth/register", json!({ "username": "alice" }))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["violations"][0]["field"], "email");
    assert_eq!(service.events().await, []);
}

#[tokio::test]
async fn hostile_text_is_only_text() {
    let service = Service::start().await;
    service.arrive("alice").await;
    for name in [
        "alice' OR '1'='1",
        "alice'; DROP TABLE users; --",
        "alice\u{0}",
        "ALICE\r\nx: y",
    ] {
        let (status, body) = service.log_in(name, "correct horse").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{name:?}: {body}");
        let (status, _) = service.register(name).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name:?}");
    }
    let (status, _) = service.log_in("alice", "correct horse").await;
    assert_eq!(status, StatusCode::OK);
}
