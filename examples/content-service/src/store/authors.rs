use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::content::PostDeleted;
use nova_events::identity::UserDeleted;
use nova_kit::{Tx, now_after};
use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use super::Posts;
use crate::post::Post;

/// How many posts of a deleted author go in one transaction.
const BATCH: i64 = 200;

impl Posts {
    /// Takes an author's posts away, each with its event, and leaves a mark, so that no new one
    /// comes after. It can be run again, and then goes on where it stopped.
    pub(crate) async fn author_deleted(&self, event: &UserDeleted) -> Result<(), ServiceError> {
        query(
            "INSERT INTO post_authors (user_id, deleted_at) VALUES ($1, $2)
             ON CONFLICT (user_id) DO UPDATE SET deleted_at = excluded.deleted_at",
        )
        .bind(event.user_id)
        .bind(event.deleted_at)
        .execute(&self.pool)
        .await?;
        while self.delete_batch(event.user_id).await? > 0 {}
        Ok(())
    }

    async fn delete_batch(&self, author: Uuid) -> Result<usize, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let posts: Vec<Post> = query_as(
            "DELETE FROM posts WHERE id IN (SELECT id FROM posts WHERE user_id = $1 LIMIT $2)
             RETURNING *",
        )
        .bind(author)
        .bind(BATCH)
        .fetch_all(&mut *tx)
        .await?;
        let events: Vec<_> = posts.iter().map(deletion).collect();
        self.outbox.enqueue_all(&mut tx, &events).await?;
        self.outbox.commit(tx).await?;
        Ok(posts.len())
    }
}

/// Holds the author's row until the transaction ends; refuses where the author is deleted.
pub(super) async fn lock_author(tx: &mut Tx, author: Uuid) -> Result<(), ServiceError> {
    let deleted_at: Option<DateTime<Utc>> = query_scalar(
        "INSERT INTO post_authors (user_id) VALUES ($1)
         ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING deleted_at",
    )
    .bind(author)
    .fetch_one(&mut **tx)
    .await?;
    match deleted_at {
        None => Ok(()),
        Some(_) => Err(ServiceError::NotFound(format!("user {author}").into())),
    }
}

/// The event that the post is gone.
pub(super) fn deletion(post: &Post) -> PostDeleted {
    PostDeleted {
        post_id: post.post_id,
        user_id: post.user_id,
        deleted_at: now_after(post.updated_at),
    }
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::super::tests::{AUTHOR, OTHER, events, new_post, posts};
    use super::*;
    use nova_errors::ErrorKind;
    use nova_kit::now;

    fn author_deleted() -> UserDeleted {
        UserDeleted {
            user_id: AUTHOR,
            deleted_at: now(),
            soft_delete: false,
        }
    }

    #[tokio::test]
    async fn a_deleted_authors_posts_go_each_with_its_event_in_more_than_one_batch() {
        let (posts, _folder) = posts().await;
        let count = usize::try_from(BATCH).unwrap() + 1;
        for _ in 0..count {
            posts.create(AUTHOR, new_post()).await.unwrap();
        }
        let kept = posts.create(OTHER, new_post()).await.unwrap();

        // The second copy of the event tells nobody anything.
        for _ in 0..2 {
            posts.author_deleted(&author_deleted()).await.unwrap();
            let events = events(&posts).await;
            let deleted = events.iter().filter(|it| *it == "content.post.deleted");
            assert_eq!(deleted.count(), count);
        }
        let left: Vec<Uuid> = query_scalar("SELECT id FROM posts")
            .fetch_all(&posts.pool)
            .await
            .unwrap();
        assert_eq!(left, [kept.post_id]);
    }

    #[tokio::test]
    async fn a_deleted_author_posts_no_more() {
        let (posts, _folder) = posts().await;
        posts.author_deleted(&author_deleted()).await.unwrap();
        let error = posts.create(AUTHOR, new_post()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(events(&posts).await.is_empty());
    }
}
