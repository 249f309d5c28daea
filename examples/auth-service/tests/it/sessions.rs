use nova_errors::ErrorKind;
use reqwest::{Method, StatusCode};
use tokio::join;

use crate::service::{Service, Tokens};

#[tokio::test]
async fn a_session_that_is_closed_takes_its_tokens_along_and_no_others() {
    let service = Service::start().await;
    let first = service.arrive("alice").await;
    let (_, body) = service.log_in("alice", "correct horse").await;
    let second = Tokens::of(&body);
    for token in [&first.access, &second.access] {
        service.auth.verify_token(token).await.unwrap();
    }
    assert_eq!(
        service.log_out(&first.access).await.0,
        StatusCode::NO_CONTENT
    );

    let error = service.soon_refused(&first.access).await;
    assert_eq!(error.code(), "authentication.revoked");
    let (status, body) = service.log_out(&first.access).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["code"], "authentication.revoked");
    assert_eq!(
        service.refresh(&first.refresh).await.0,
        StatusCode::UNAUTHORIZED
    );
    service.auth.verify_token(&second.access).await.unwrap();
    assert_eq!(service.refresh(&second.refresh).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_gives_tokens_of_the_same_session() {
    let service = Service::start().await;
    let old = service.arrive("alice").await;
    let (status, body) = service.refresh(&old.refresh).await;
    assert_eq!(status, StatusCode::OK);
    let new = Tokens::of(&body);
    assert_ne!(new.refresh, old.refresh);
    let before = service.auth.verify_token(&old.access).await.unwrap();
    let after = service.auth.verify_token(&new.access).await.unwrap();
    assert_eq!(before.token_id, after.token_id);
    assert_eq!(service.log_out(&new.access).await.0, StatusCode::NO_CONTENT);
    for token in [&old.access, &new.access] {
        let error = service.soon_refused(token).await;
        assert_eq!(error.code(), "authentication.revoked");
    }
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_the_session() {
    let service = Service::start().await;
    let stolen = service.arrive("alice").await;
    let (_, body) = service.refresh(&stolen.refresh).await;
    let thief = Tokens::of(&body);
    let (status, body) = service.refresh(&stolen.refresh).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["code"], "authentication.refresh_token");
    assert_eq!(
        service.refresh(&thief.refresh).await.0,
        StatusCode::UNAUTHORIZED
    );
    let error = service.soon_refused(&thief.access).await;
    assert_eq!(error.code(), "authentication.revoked");
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_wins_at_most_and_the_session_ends() {
    let service = Service::start().await;
    let tokens = service.arrive("alice").await;
    let (one, two) = join!(
        service.refresh(&tokens.refresh),
        service.refresh(&tokens.refresh)
    );
    let won = [&one, &two]
        .iter()
        .filter(|(status, _)| *status == StatusCode::OK)
        .count();
    assert!(won <= 1, "{one:?} {two:?}");
    let error = service.soon_refused(&tokens.access).await;
    assert_eq!(error.code(), "authentication.revoked");
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let service = Service::start().await;
    let tokens = service.arrive("alice").await;
    for token in [
        "",
        "a",
        &tokens.access,
        &"0".repeat(64),
        &"a".repeat(100_000),
    ] {
        let (status, body) = service.refresh(token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["code"], "authentication.refresh_token");
        assert!(!body.to_string().contains("aaaa"));
    }
    assert_eq!(service.refresh(&tokens.refresh).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_deleted_user_is_gone_at_once_and_others_hear_of_it() {
    let service = Service::start().await;
    let tokens = service.arrive("alice").await;
    let claims = service.auth.verify_token(&tokens.access).await.unwrap();
    let path = "/api/v1/users/me";
    let (status, _) = service
        .send(Method::DELETE, path, Some(&tokens.access), None)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);

    let error = service.soon_refused(&tokens.access).await;
    assert_eq!(error.code(), "authentication.revoked");
    assert_eq!(
        service.refresh(&tokens.refresh).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        service.log_in("alice", "correct horse").await.0,
        StatusCode::UNAUTHORIZED
    );
    let error = service.auth.get_user(claims.user_id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let events = service.events().await;
    let kinds: Vec<_> = events
        .iter()
        .map(|(kind, key, _)| (kind.as_str(), key.as_str()))
        .collect();
    let id = claims.user_id.to_string();
    assert_eq!(
        kinds,
        [
            ("identity.user.created", id.as_str()),
            ("identity.user.deleted", id.as_str())
        ]
    );
    assert_eq!(events[1].2["soft_delete"], false);
    assert_eq!(
        service.register("alice").await.0,
        StatusCode::CREATED,
        "the name is free"
    );
}

#[tokio::test]
async fn without_a_token_nobody_leaves() {
    let service = Service::start().await;
    for (method, path) in [
        (Method::POST, "/api/v1/auth/logout"),
        (Method::DELETE, "/api/v1/users/me"),
    ] {
        let (status, body) = service.send(method.clone(), path, None, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["code"], "authentication.missing");
        let (status, _) = service.send(method, path, Some("junk"), None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn the_service_stops_while_clients_follow_its_revocations() {
    let service = Service::start().await;
    let auth = service.auth.clone();
    let error = auth.verify_token("junk").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    service.stop().await.unwrap();
    let error = auth.verify_token("other").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
}
