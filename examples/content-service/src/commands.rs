use axum::Router;
use nova_errors::{ServiceError, Violation};
use nova_kit::contract::{GetPosts, PostView};
use nova_service::CommandRouter;

use crate::Post;
use crate::store::Posts;

/// What other services may ask for.
pub(crate) fn router(posts: Posts) -> Result<Router, ServiceError> {
    CommandRouter::new(crate::NAME)
        .on(move |command: GetPosts| {
            let posts = posts.clone();
            async move { get(&posts, command).await }
        })
        .build()
}

async fn get(posts: &Posts, command: GetPosts) -> Result<Vec<PostView>, ServiceError> {
    let count = command.post_ids.len();
    if count > GetPosts::MAX_IDS {
        let message = format!("expected at most {} ids, got {count}", GetPosts::MAX_IDS);
        return Err(ServiceError::Validation(
            Violation::new("post_ids", message).into(),
        ));
    }
    let found = posts.published(&command.post_ids).await?;
    Ok(found.into_iter().map(view).collect())
}

fn view(post: Post) -> PostView {
    PostView {
        post_id: post.post_id,
        user_id: post.user_id,
        caption: post.caption,
        media_type: post.media_type.into(),
        created_at: post.created_at,
    }
}
