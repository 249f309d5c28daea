use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use nova_auth_client::UserClaims;
use nova_errors::ServiceError;
use nova_models::{PageRequest, PagedResponse};
use nova_service::{Json, Path, Query};
use uuid::Uuid;

use crate::follows::{Follows, Side};
use crate::profiles::{Profile, Profiles};

pub(crate) fn router(profiles: Profiles, follows: Follows) -> Router {
    let graph = Router::new()
        .route("/api/v1/users/{id}/follow", put(follow).delete(unfollow))
        .route("/api/v1/users/{id}/followers", get(followers))
        .route("/api/v1/users/{id}/following", get(following))
        .with_state(follows);
    Router::new()
        .route("/api/v1/users/{id}", get(profile))
        .with_state(profiles)
        .merge(graph)
}

async fn profile(
    State(profiles): State<Profiles>,
    _claims: UserClaims,
    Path(id): Path<Uuid>,
) -> Result<Json<Profile>, ServiceError> {
    Ok(Json(profiles.get(id).await?))
}

async fn follow(
    State(follows): State<Follows>,
    claims: UserClaims,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ServiceError> {
    follows.follow(claims.user_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unfollow(
    State(follows): State<Follows>,
    claims: UserClaims,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ServiceError> {
    follows.unfollow(claims.user_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn followers(
    State(follows): State<Follows>,
    _claims: UserClaims,
    Path(id): Path<Uuid>,
    Query(page): Query<PageRequest>,
) -> Result<Json<PagedResponse<Uuid>>, ServiceError> {
    Ok(Json(follows.list(id, Side::Followers, page).await?))
}

async fn following(
    State(follows): State<Follows>,
    _claims: UserClaims,
    Path(id): Path<Uuid>,
    Query(page): Query<PageRequest>,
) -> Result<Json<PagedResponse<Uuid>>, ServiceError> {
    Ok(Json(follows.list(id, Side::Following, page).await?))
}
