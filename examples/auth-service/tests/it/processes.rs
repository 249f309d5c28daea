use std::sync::Arc;

use reqwest::StatusCode;

use crate::service::Service;

#[tokio::test]
async fn a_session_that_is_closed_at_one_process_is_refused_at_the_clients_of_another() {
    let one = Service::start().await;
    let other = Service::start_in(&one.home).await;
    let tokens = one.arrive("alice").await;
    other.auth.verify_token(&tokens.access).await.unwrap();
    assert_eq!(one.log_out(&tokens.access).await.0, StatusCode::NO_CONTENT);
    let error = other.soon_refused(&tokens.access).await;
    assert_eq!(error.code(), "authentication.revoked");
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let before = Service::start().await;
    let home = Arc::clone(&before.home);
    let tokens = before.arrive("alice").await;
    let claims = before.auth.verify_token(&tokens.access).await.unwrap();
    drop(before);

    let after = Service::start_in(&home).await;
    let again = after.auth.verify_token(&tokens.access).await.unwrap();
    assert_eq!(again, claims);
    assert_eq!(after.refresh(&tokens.refresh).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_another_process_made_is_found() {
    let service = Service::start().await;
    let tokens = service.arrive("alice").await;
    // As if both had started at once on an empty database.
    let kept: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT kid, pkcs8 FROM signing_keys")
        .fetch_all(&service.pool)
        .await
        .unwrap();
    sqlx::query("DELETE FROM signing_keys")
        .execute(&service.pool)
        .await
        .unwrap();
    let other = Service::start_in(&service.home).await;
    for (kid, pkcs8) in kept {
        sqlx::query("INSERT INTO signing_keys (kid, pkcs8, created_at) VALUES ($1, $2, $3)")
            .bind(kid)
            .bind(pkcs8)
            .bind(chrono::Utc::now())
            .execute(&service.pool)
            .await
            .unwrap();
    }
    // It looks once a second at most.
    for _ in 0..400 {
        if other.auth.verify_token(&tokens.access).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the key was not found");
}
