use nova_errors::ServiceError;
use nova_events::identity::UserDeleted;
use sqlx::query;
use uuid::Uuid;

use super::Feeds;

/// How many posts of a deleted author go in one transaction, each with its entries in all feeds.
const BATCH: i64 = 50;

impl Feeds {
    /// Takes everything of the user away and leaves a mark, so that nothing that comes later
    /// revives it. It can be run again, and then goes on where it stopped.
    pub(crate) async fn user_deleted(&self, event: &UserDeleted) -> Result<(), ServiceError> {
        let user = event.user_id;
        let mut tx = self.pool.begin().await?;
        query(
            "INSERT INTO feed_users (user_id, deleted_at) VALUES ($1, $2)
             ON CONFLICT (user_id) DO UPDATE SET deleted_at = excluded.deleted_at",
        )
        .bind(user)
        .bind(event.deleted_at)
        .execute(&mut *tx)
        .await?;
        query("DELETE FROM feed_follows WHERE followee_id = $1 OR follower_id = $1")
            .bind(user)
            .execute(&mut *tx)
            .await?;
        query("DELETE FROM feed_entries WHERE user_id = $1")
            .bind(user)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        while self.delete_batch(user).await? > 0 {}
        Ok(())
    }

    async fn delete_batch(&self, author: Uuid) -> Result<u64, ServiceError> {
        let deleted = query(
            "DELETE FROM feed_posts WHERE post_id IN
                 (SELECT post_id FROM feed_posts WHERE user_id = $1 LIMIT $2)",
        )
        .bind(author)
        .bind(BATCH)
        .execute(&self.pool)
        .await?;
        Ok(deleted.rows_affected())
    }
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::super::world::World;
    use super::*;
    use nova_events::content::PostStatus;
    use sqlx::query_scalar;

    async fn rows(world: &World) -> i64 {
        query_scalar(
            "SELECT (SELECT COUNT(*) FROM feed_posts) + (SELECT COUNT(*) FROM feed_entries)
                  + (SELECT COUNT(*) FROM feed_follows)",
        )
        .fetch_one(&world.feeds.pool)
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_deleted_author_leaves_the_feeds_with_all_posts_and_nothing_revives_him() {
        let world = World::new().await;
        world.follow(0).await;
        let count = u128::try_from(BATCH).unwrap() + 1;
        for id in 10..10 + count {
            world.post(id, 1).await;
        }
        world.delete(world.author, 2).await;
        world.delete(world.author, 2).await;
        assert_eq!(rows(&world).await, 0);

        // Replayed, or late from the other topics.
        world.post(10, 1).await;
        world.set_status(10, PostStatus::Published, 3).await;
        world.set_caption(10, "again", 3).await;
        world.follow(0).await;
        world.unfollow(3).await;
        assert_eq!(rows(&world).await, 0);
    }

    #[tokio::test]
    async fn a_deleted_reader_leaves_no_feed_and_gets_none() {
        let world = World::new().await;
        world.follow(0).await;
        world.post(10, 1).await;
        world.delete(world.reader, 2).await;
        world.follow(3).await;
        world.post(11, 4).await;
        assert!(world.feed().await.is_empty());
        assert_eq!(rows(&world).await, 2, "the posts of the author alone");
    }
}
