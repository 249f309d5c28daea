use std::collections::HashMap;

use nova_client::ServiceClient;
use nova_errors::ServiceError;
use nova_kit::contract::{GetPosts, PostView};
use uuid::Uuid;

use crate::FeedEntry;

/// The same posts in the same order as their owner has them now, without those that it no longer
/// shows.
pub(crate) async fn read_at_owner(
    content: &ServiceClient,
    entries: Vec<FeedEntry>,
) -> Result<Vec<FeedEntry>, ServiceError> {
    let post_ids: Vec<Uuid> = entries.iter().map(|entry| entry.post_id).collect();
    let posts = content
        .send(GetPosts {
            post_ids: post_ids.clone(),
        })
        .await?;
    let mut posts: HashMap<Uuid, PostView> =
        posts.into_iter().map(|post| (post.post_id, post)).collect();
    let in_order = post_ids.iter().filter_map(|id| posts.remove(id));
    Ok(in_order.map(FeedEntry::from).collect())
}

impl From<PostView> for FeedEntry {
    fn from(post: PostView) -> Self {
        Self {
            post_id: post.post_id,
            user_id: post.user_id,
            caption: post.caption,
            media_type: post.media_type,
            created_at: post.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nova_errors::ErrorKind;
    use nova_kit::now;
    use nova_service::CommandRouter;
    use tokio::net::TcpListener;

    fn entry(id: u128) -> FeedEntry {
        FeedEntry {
            post_id: Uuid::from_u128(id),
            user_id: Uuid::from_u128(1),
            caption: "as the feed has it".to_owned(),
            media_type: "none".to_owned(),
            created_at: now(),
        }
    }

    fn client(url: &str) -> ServiceClient {
        ServiceClient::builder(crate::NAME)
            .base_url(url)
            .build()
            .unwrap()
    }

    /// A content service that shows every post but number 2, and answers in an order of its own.
    async fn owner() -> ServiceClient {
        let commands = CommandRouter::new("content-service")
            .on(|command: GetPosts| async move {
                let shown = |id: &&Uuid| **id != Uuid::from_u128(2);
                let posts = command.post_ids.iter().rev().filter(shown);
                Ok(posts
                    .map(|id| PostView {
                        post_id: *id,
                        user_id: Uuid::from_u128(1),
                        caption: "as the owner has it".to_owned(),
                        media_type: "image".to_owned(),
                        created_at: now(),
                    })
                    .collect())
            })
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, commands).await });
        client(&url)
    }

    #[tokio::test]
    async fn posts_come_from_their_owner_in_the_feeds_order_without_what_it_no_longer_shows() {
        let content = owner().await;
        let entries = [3, 2, 1].map(entry).to_vec();
        let read = read_at_owner(&content, entries).await.unwrap();
        let ids: Vec<_> = read.iter().map(|post| post.post_id.as_u128()).collect();
        assert_eq!(ids, [3, 1]);
        for post in read {
            assert_eq!(post.caption, "as the owner has it");
            assert_eq!(post.media_type, "image");
        }
    }

    #[tokio::test]
    async fn an_owner_that_is_away_is_said_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = read_at_owner(&client(&url), vec![entry(1)]).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ServiceUnavailable);
    }
}
