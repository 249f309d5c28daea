use axum::Router;
use axum::extract::State;
use axum::routing::get;
use nova_auth_client::UserClaims;
use nova_client::ServiceClient;
use nova_errors::ServiceError;
use nova_models::{PageRequest, PagedResponse};
use nova_service::{Json, Query};
use serde::Deserialize;

use crate::FeedEntry;
use crate::cursor::Cursor;
use crate::direct_call::read_at_owner;
use crate::feeds::Feeds;

#[derive(Debug, Clone)]
struct Reader {
    feeds: Feeds,
    content: Option<ServiceClient>,
}

pub(crate) fn router(feeds: Feeds, content: Option<ServiceClient>) -> Router {
    Router::new()
        .route("/api/v1/feed", get(feed))
        .with_state(Reader { feeds, content })
}

#[derive(Debug, Deserialize)]
struct FeedQuery {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

async fn feed(
    State(reader): State<Reader>,
    claims: UserClaims,
    Query(query): Query<FeedQuery>,
) -> Result<Json<PagedResponse<FeedEntry>>, ServiceError> {
    let limit = PageRequest::new(1, query.limit.unwrap_or(PageRequest::DEFAULT_LIMIT))?.limit();
    let cursor = query
        .cursor
        .map_or(Ok(Cursor::START), |text| text.parse())?;
    let mut page = reader.feeds.page(claims.user_id, cursor, limit).await?;
    if let Some(content) = &reader.content {
        page.items = read_at_owner(content, page.items).await?;
    }
    Ok(Json(page))
}
