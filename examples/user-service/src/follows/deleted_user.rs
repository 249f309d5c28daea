use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use nova_events::identity::UserDeleted;
use nova_events::social::FollowDeleted;
use nova_kit::now_after;
use sqlx::query_as;
use uuid::Uuid;

use super::Follows;

/// How many follows of a deleted user end in one transaction.
const BATCH: i64 = 200;

#[derive(Debug, sqlx::FromRow)]
struct Edge {
    follower_id: Uuid,
    followee_id: Uuid,
    created_at: DateTime<Utc>,
}

impl Follows {
    /// Marks the user as deleted, then ends every follow of his and of him, each with its event. It
    /// can be run again, and then goes on where it stopped.
    pub(crate) async fn user_deleted(&self, event: &UserDeleted) -> Result<(), ServiceError> {
        // The mark comes first: from then on there is no new edge.
        self.profiles.deleted(event).await?;
        while self.end_batch(event.user_id).await? > 0 {}
        Ok(())
    }

    async fn end_batch(&self, user: Uuid) -> Result<usize, ServiceError> {
        let mut tx = self.pool.begin().await?;
        let edges: Vec<Edge> = query_as(
            "DELETE FROM follows WHERE (follower_id, followee_id) IN
                 (SELECT follower_id, followee_id FROM follows
                  WHERE follower_id = $1 OR followee_id = $1 LIMIT $2)
             RETURNING follower_id, followee_id, created_at",
        )
        .bind(user)
        .bind(BATCH)
        .fetch_all(&mut *tx)
        .await?;
        let events: Vec<_> = edges.iter().map(end).collect();
        self.outbox.enqueue_all(&mut tx, &events).await?;
        self.outbox.commit(tx).await?;
        Ok(edges.len())
    }
}

fn end(edge: &Edge) -> FollowDeleted {
    FollowDeleted {
        follower_id: edge.follower_id,
        followee_id: edge.followee_id,
        deleted_at: now_after(edge.created_at),
    }
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::super::tests::{ALICE, BOB, World};
    use super::*;
    use nova_errors::ErrorKind;

    #[tokio::test]
    async fn a_deletion_ends_the_follows_on_both_sides_each_with_its_event() {
        let world = World::new().await;
        let carol = Uuid::from_u128(3);
        world.register(carol).await;
        for (follower, followee) in [(ALICE, BOB), (BOB, ALICE), (ALICE, carol)] {
            world.follows.follow(follower, followee).await.unwrap();
        }

        world.delete(BOB).await;
        // A second copy of the event tells nobody anything.
        world.delete(BOB).await;

        let events = world.events().await;
        assert_eq!(events[3..], ["social.follow.deleted"; 2]);
        assert!(world.followers(ALICE).await.is_empty());
        assert!(world.followers(BOB).await.is_empty());
        assert_eq!(world.followers(carol).await, [ALICE]);
    }

    #[tokio::test]
    async fn a_deletion_takes_more_than_one_batch_where_it_must() {
        let world = World::new().await;
        let count = u128::try_from(BATCH).unwrap() + 1;
        for id in 10..10 + count {
            world.register(Uuid::from_u128(id)).await;
            let follow = world.follows.follow(Uuid::from_u128(id), BOB).await;
            follow.unwrap();
        }
        world.delete(BOB).await;
        let events = world.events().await;
        let ended = events.iter().filter(|it| *it == "social.follow.deleted");
        assert_eq!(ended.count() as u128, count);
        assert!(world.followers(BOB).await.is_empty());
    }

    #[tokio::test]
    async fn a_registration_that_comes_after_the_deletion_revives_nobody() {
        let world = World::new().await;
        world.delete(BOB).await;
        world.register(BOB).await;
        let error = world.follows.profiles.get(BOB).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
