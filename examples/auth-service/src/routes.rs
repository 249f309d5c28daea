use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::routing::{delete, get, post};
use jsonwebtoken::jwk::JwkSet;
use nova_errors::ServiceError;
use nova_service::Json;
use serde::Deserialize;

use crate::accounts::Account;
use crate::caller::Caller;
use crate::credentials::{Login, Registration};
use crate::identity::Identity;
use crate::sessions::Tokens;

pub(crate) fn router(identity: Identity) -> Router {
    Router::new()
        .route("/api/v1/auth/register", post(register))
        .route("/api/v1/auth/login", post(login))
        .route("/api/v1/auth/refresh", post(refresh))
        .route("/api/v1/auth/logout", post(logout))
        .route("/api/v1/users/me", delete(delete_me))
        .route("/.well-known/jwks.json", get(signing_keys))
        .with_state(identity)
}

type CacheControl = [(HeaderName, HeaderValue); 1];

/// Tokens stay in no cache: RFC 6749, section 5.1.
const NO_STORE: CacheControl = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

#[derive(Deserialize)]
struct RefreshRequest {
    refresh_token: String,
}

async fn register(
    State(identity): State<Identity>,
    Json(registration): Json<Registration>,
) -> Result<(StatusCode, Json<Account>), ServiceError> {
    let account = identity.accounts.register(registration).await?;
    Ok((StatusCode::CREATED, Json(account)))
}

async fn login(
    State(identity): State<Identity>,
    Json(login): Json<Login>,
) -> Result<(CacheControl, Json<Tokens>), ServiceError> {
    let user = identity.accounts.authenticate(login).await?;
    Ok((NO_STORE, Json(identity.sessions.open(user).await?)))
}

async fn refresh(
    State(identity): State<Identity>,
    Json(request): Json<RefreshRequest>,
) -> Result<(CacheControl, Json<Tokens>), ServiceError> {
    let tokens = identity.sessions.refresh(&request.refresh_token).await?;
    Ok((NO_STORE, Json(tokens)))
}

async fn logout(
    State(identity): State<Identity>,
    caller: Caller,
) -> Result<StatusCode, ServiceError> {
    identity.sessions.close(caller.session_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_me(
    State(identity): State<Identity>,
    caller: Caller,
) -> Result<StatusCode, ServiceError> {
    identity.accounts.delete(caller.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn signing_keys(State(identity): State<Identity>) -> (CacheControl, Json<JwkSet>) {
    let keys = identity.keys.all();
    let keys = keys.iter().map(|key| key.public.clone()).collect();
    let cached = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, cached)], Json(JwkSet { keys }))
}
