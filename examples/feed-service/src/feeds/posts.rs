use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::content::{PostCreated, PostDeleted, PostStatus, PostStatusUpdated, PostUpdated};
use sqlx::query;
use uuid::Uuid;

use super::Feeds;

impl Feeds {
    /// Puts the post into the feed of every follower. What a later event set already stays.
    pub(crate) async fn post_created(&self, event: &PostCreated) -> Result<(), ServiceError> {
        let Some(mut tx) = self.begin([event.user_id]).await? else {
            return Ok(());
        };
        let created = query(
            "INSERT INTO feed_posts
                 (post_id, user_id, media_type, created_at, caption, caption_at, status, status_at)
             VALUES ($1, $2, $3, $4, $5, $4, $6, $4)
             ON CONFLICT (post_id) DO UPDATE
             SET media_type = excluded.media_type, created_at = excluded.created_at,
                 caption = COALESCE(feed_posts.caption, excluded.caption),
                 caption_at = COALESCE(feed_posts.caption_at, excluded.caption_at),
                 status = COALESCE(feed_posts.status, excluded.status),
                 status_at = COALESCE(feed_posts.status_at, excluded.status_at)
             WHERE feed_posts.created_at IS NULL AND feed_posts.deleted_at IS NULL",
        )
        .bind(event.post_id)
        .bind(event.user_id)
        .bind(event.media_type.as_str())
        .bind(event.created_at)
        .bind(&event.caption)
        .bind(event.status.as_str())
        .execute(&mut *tx)
        .await?;
        if created.rows_affected() == 0 {
            return Ok(());
        }
        query(
            "INSERT INTO feed_entries (user_id, post_id, created_at)
             SELECT follower_id, $1, $2 FROM feed_follows WHERE followee_id = $3 AND following
             ON CONFLICT (user_id, post_id) DO NOTHING",
        )
        .bind(event.post_id)
        .bind(event.created_at)
        .bind(event.user_id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn post_updated(&self, event: &PostUpdated) -> Result<(), ServiceError> {
        let Some(mut tx) = self.begin([event.user_id]).await? else {
            return Ok(());
        };
        query(
            "INSERT INTO feed_posts (post_id, user_id, caption, caption_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (post_id) DO UPDATE
             SET caption = excluded.caption, caption_at = excluded.caption_at
             WHERE feed_posts.deleted_at IS NULL
               AND (feed_posts.caption_at IS NULL OR feed_posts.caption_at < excluded.caption_at)",
        )
        .bind(event.post_id)
        .bind(event.user_id)
        .bind(&event.caption)
        .bind(event.updated_at)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn status_updated(
        &self,
        event: &PostStatusUpdated,
    ) -> Result<(), ServiceError> {
        if event.new_status == PostStatus::Deleted {
            return self
                .remove(event.post_id, event.user_id, event.updated_at)
                .await;
        }
        let Some(mut tx) = self.begin([event.user_id]).await? else {
            return Ok(());
        };
        query(
            "INSERT INTO feed_posts (post_id, user_id, status, status_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (post_id) DO UPDATE
             SET status = excluded.status, status_at = excluded.status_at
             WHERE feed_posts.deleted_at IS NULL
               AND (feed_posts.status_at IS NULL OR feed_posts.status_at < excluded.status_at)",
        )
        .bind(event.post_id)
        .bind(event.user_id)
        .bind(event.new_status.as_str())
        .bind(event.updated_at)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn post_deleted(&self, event: &PostDeleted) -> Result<(), ServiceError> {
        self.remove(event.post_id, event.user_id, event.deleted_at)
            .await
    }

    /// Takes the post away and leaves a mark, so that nothing that comes later revives it.
    async fn remove(
        &self,
        post: Uuid,
        author: Uuid,
        deleted_at: DateTime<Utc>,
    ) -> Result<(), ServiceError> {
        let Some(mut tx) = self.begin([author]).await? else {
            return Ok(());
        };
        query(
            "INSERT INTO feed_posts (post_id, user_id, deleted_at) VALUES ($1, $2, $3)
             ON CONFLICT (post_id) DO UPDATE
             SET caption = NULL, status = NULL, deleted_at = excluded.deleted_at",
        )
        .bind(post)
        .bind(author)
        .bind(deleted_at)
        .execute(&mut *tx)
        .await?;
        query("DELETE FROM feed_entries WHERE post_id = $1")
            .bind(post)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::super::world::World;
    use super::*;

    #[tokio::test]
    async fn a_post_reaches_those_who_follow_before_and_those_who_follow_after() {
        let world = World::new().await;
        world.post(10, 1).await;
        assert!(world.feed().await.is_empty());
        world.follow(2).await;
        world.post(11, 3).await;
        assert_eq!(world.feed().await, [11, 10]);
    }

    #[tokio::test]
    async fn an_event_that_comes_twice_has_the_effect_of_one() {
        let world = World::new().await;
        world.follow(0).await;
        world.follow(0).await;
        let event = world.post(10, 1).await;
        world.feeds.post_created(&event).await.unwrap();
        assert_eq!(world.feed().await, [10]);
    }

    #[tokio::test]
    async fn an_archived_post_leaves_the_feed_and_comes_back_when_published() {
        let world = World::new().await;
        world.follow(0).await;
        world.post(10, 1).await;
        world.set_status(10, PostStatus::Archived, 3).await;
        assert!(world.feed().await.is_empty());
        // Late: it was made before the archiving.
        world.set_status(10, PostStatus::Published, 2).await;
        assert!(world.feed().await.is_empty());
        world.set_status(10, PostStatus::Published, 4).await;
        assert_eq!(world.feed().await, [10]);
    }

    #[tokio::test]
    async fn a_post_that_was_archived_before_its_creation_came_stays_out_of_sight() {
        let world = World::new().await;
        world.follow(0).await;
        world.set_status(10, PostStatus::Archived, 2).await;
        world.post(10, 1).await;
        assert!(world.feed().await.is_empty());
        world.set_status(10, PostStatus::Published, 3).await;
        assert_eq!(world.feed().await, [10]);
    }

    #[tokio::test]
    async fn a_caption_that_came_before_its_post_is_kept() {
        let world = World::new().await;
        world.follow(0).await;
        world.set_caption(10, "second", 2).await;
        assert!(world.feed().await.is_empty());
        world.post(10, 1).await;
        assert_eq!(world.captions().await, ["second"]);
    }

    #[tokio::test]
    async fn a_caption_older_than_a_change_of_status_is_kept() {
        let world = World::new().await;
        world.follow(0).await;
        world.post(10, 1).await;
        world.set_status(10, PostStatus::Archived, 3).await;
        world.set_status(10, PostStatus::Published, 4).await;
        world.set_caption(10, "second", 2).await;
        assert_eq!(world.captions().await, ["second"]);
    }

    #[tokio::test]
    async fn nothing_revives_a_deleted_post() {
        let world = World::new().await;
        world.follow(0).await;
        let created = world.post(10, 1).await;
        let deleted = PostDeleted {
            post_id: created.post_id,
            user_id: world.author,
            deleted_at: world.at(2),
        };
        world.feeds.post_deleted(&deleted).await.unwrap();
        world.set_status(10, PostStatus::Published, 9).await;
        world.feeds.post_created(&created).await.unwrap();
        assert!(world.feed().await.is_empty());
    }

    #[tokio::test]
    async fn the_status_deleted_is_a_deletion() {
        let world = World::new().await;
        world.follow(0).await;
        world.post(10, 1).await;
        world.set_status(10, PostStatus::Deleted, 2).await;
        world.set_status(10, PostStatus::Published, 3).await;
        assert!(world.feed().await.is_empty());
    }
}
