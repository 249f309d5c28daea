use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::social::{FollowCreated, FollowDeleted};
use nova_kit::Tx;
use sqlx::query;
use uuid::Uuid;

use super::Feeds;

/// How many posts of a newly followed author enter the follower's feed.
const BACKFILL: i64 = 50;

impl Feeds {
    /// Fills the follower's feed with the author's last posts.
    pub(crate) async fn followed(&self, event: &FollowCreated) -> Result<(), ServiceError> {
        let (followee, follower) = (event.followee_id, event.follower_id);
        let Some(mut tx) = self.begin([followee, follower]).await? else {
            return Ok(());
        };
        if !set_following(&mut tx, followee, follower, true, event.created_at).await? {
            return Ok(());
        }
        query(
            "INSERT INTO feed_entries (user_id, post_id, created_at)
             SELECT $1, post_id, created_at FROM feed_posts
             WHERE user_id = $2 AND created_at IS NOT NULL AND deleted_at IS NULL
             ORDER BY created_at DESC LIMIT $3
             ON CONFLICT (user_id, post_id) DO NOTHING",
        )
        .bind(follower)
        .bind(followee)
        .bind(BACKFILL)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes the author's posts out of the follower's feed.
    pub(crate) async fn unfollowed(&self, event: &FollowDeleted) -> Result<(), ServiceError> {
        let (followee, follower) = (event.followee_id, event.follower_id);
        let Some(mut tx) = self.begin([followee, follower]).await? else {
            return Ok(());
        };
        if !set_following(&mut tx, followee, follower, false, event.deleted_at).await? {
            return Ok(());
        }
        query(
            "DELETE FROM feed_entries WHERE user_id = $1 AND post_id IN
                 (SELECT post_id FROM feed_posts WHERE user_id = $2)",
        )
        .bind(follower)
        .bind(followee)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Notes a change, and tells whether it is newer than the last one.
async fn set_following(
    tx: &mut Tx,
    followee: Uuid,
    follower: Uuid,
    following: bool,
    changed_at: DateTime<Utc>,
) -> Result<bool, ServiceError> {
    let changed = query(
        "INSERT INTO feed_follows (followee_id, follower_id, following, changed_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (followee_id, follower_id) DO UPDATE
         SET following = excluded.following, changed_at = excluded.changed_at
         WHERE feed_follows.changed_at < excluded.changed_at",
    )
    .bind(followee)
    .bind(follower)
    .bind(following)
    .bind(changed_at)
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::super::world::World;

    #[tokio::test]
    async fn unfollowing_takes_the_authors_posts_away() {
        let world = World::new().await;
        world.follow(0).await;
        world.post(10, 1).await;
        world.unfollow(2).await;
        world.post(11, 3).await;
        assert!(world.feed().await.is_empty());
    }

    #[tokio::test]
    async fn a_late_copy_of_a_follow_does_not_follow_again_and_a_new_one_does() {
        let world = World::new().await;
        world.post(10, 1).await;
        world.follow(2).await;
        world.unfollow(3).await;
        world.follow(2).await;
        world.post(11, 4).await;
        assert!(world.feed().await.is_empty());
        world.follow(5).await;
        assert_eq!(world.feed().await, [11, 10]);
    }

    #[tokio::test]
    async fn an_end_that_comes_before_its_follow_holds() {
        let world = World::new().await;
        world.post(10, 1).await;
        world.unfollow(3).await;
        world.follow(2).await;
        assert!(world.feed().await.is_empty());
    }
}
