use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use nova_auth_client::UserClaims;
use nova_errors::ServiceError;
use nova_service::{Json, Path};
use uuid::Uuid;

use crate::post::{NewPost, Post, PostChange};
use crate::store::Posts;

pub(crate) fn router(posts: Posts) -> Router {
    Router::new()
        .route("/api/v1/posts", post(create))
        .route("/api/v1/posts/{id}", get(read).patch(change).delete(delete))
        .with_state(posts)
}

async fn create(
    State(posts): State<Posts>,
    claims: UserClaims,
    Json(new): Json<NewPost>,
) -> Result<(StatusCode, Json<Post>), ServiceError> {
    let post = posts.create(claims.user_id, new).await?;
    Ok((StatusCode::CREATED, Json(post)))
}

async fn read(
    State(posts): State<Posts>,
    claims: UserClaims,
    Path(id): Path<Uuid>,
) -> Result<Json<Post>, ServiceError> {
    Ok(Json(posts.get(id, claims.user_id).await?))
}

async fn change(
    State(posts): State<Posts>,
    claims: UserClaims,
    Path(id): Path<Uuid>,
    Json(change): Json<PostChange>,
) -> Result<Json<Post>, ServiceError> {
    Ok(Json(posts.change(id, claims.user_id, change).await?))
}

async fn delete(
    State(posts): State<Posts>,
    claims: UserClaims,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ServiceError> {
    posts.delete(id, claims.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
