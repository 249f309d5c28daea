mod deleted_user;

use chrono::{DateTime, Utc};
use nova_auth_client::AuthClient;
use nova_errors::{ServiceError, Violation};
use nova_events::social::{FollowCreated, FollowDeleted};
use nova_kit::{Db, Pool, Tx, now, now_after};
use nova_models::{PageRequest, PagedResponse};
use nova_outbox::Outbox;
use sqlx::{query, query_scalar};
use uuid::Uuid;

use crate::profiles::Profiles;

/// Who follows whom, and the events that tell of it.
///
/// Each change locks the follower's row first, then takes its time, and enqueues last: the order of
/// a follower's events is that of the changes, and so is the order of the times in them.
#[derive(Debug, Clone)]
pub(crate) struct Follows {
    pool: Pool,
    outbox: Outbox<Db>,
    profiles: Profiles,
    auth: AuthClient,
}

/// The two ways to read the edges of the graph.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Followers,
    Following,
}

impl Follows {
    pub(crate) fn new(
        pool: Pool,
        outbox: Outbox<Db>,
        profiles: Profiles,
        auth: AuthClient,
    ) -> Self {
        Self {
            pool,
            outbox,
            profiles,
            auth,
        }
    }

    /// Makes `follower` follow `followee`; doing it again changes nothing and tells nobody.
    pub(crate) async fn follow(&self, follower: Uuid, followee: Uuid) -> Result<(), ServiceError> {
        if follower == followee {
            let violation = Violation::new("id", "expected another user than the caller");
            return Err(ServiceError::Validation(violation.into()));
        }
        for user in [follower, followee] {
            self.profiles.ensure(user, &self.auth).await?;
        }
        let mut tx = self.pool.begin().await?;
        // Always in the same order, so that two who follow each other don't wait for each other.
        let mut created_at = now();
        for user in [follower.min(followee), follower.max(followee)] {
            let Some(last) = lock(&mut tx, user).await? else {
                return Err(ServiceError::NotFound(format!("user {user}").into()));
            };
            created_at = created_at.max(now_after(last));
        }
        let inserted = query(
            "INSERT INTO follows (follower_id, followee_id, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (follower_id, followee_id) DO NOTHING",
        )
        .bind(follower)
        .bind(followee)
        .bind(created_at)
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(());
        }
        let event = FollowCreated {
            follower_id: follower,
            followee_id: followee,
            created_at,
        };
        set_followed_at(&mut tx, follower, created_at).await?;
        self.outbox.enqueue(&mut tx, &event).await?;
        self.outbox.commit(tx).await
    }

    /// Ends it; doing it again changes nothing and tells nobody.
    pub(crate) async fn unfollow(
        &self,
        follower: Uuid,
        followee: Uuid,
    ) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin().await?;
        let Some(last) = lock(&mut tx, follower).await? else {
            return Ok(());
        };
        let deleted = query("DELETE FROM follows WHERE follower_id = $1 AND followee_id = $2")
            .bind(follower)
            .bind(followee)
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Ok(());
        }
        let event = FollowDeleted {
            follower_id: follower,
            followee_id: followee,
            deleted_at: now_after(last),
        };
        set_followed_at(&mut tx, follower, event.deleted_at).await?;
        self.outbox.enqueue(&mut tx, &event).await?;
        self.outbox.commit(tx).await
    }

    pub(crate) async fn list(
        &self,
        user: Uuid,
        side: Side,
        page: PageRequest,
    ) -> Result<PagedResponse<Uuid>, ServiceError> {
        let (count, select) = match side {
            Side::Followers => (
                "SELECT COUNT(*) FROM follows WHERE followee_id = $1",
                "SELECT follower_id FROM follows WHERE followee_id = $1
                 ORDER BY created_at DESC, follower_id LIMIT $2 OFFSET $3",
            ),
            Side::Following => (
                "SELECT COUNT(*) FROM follows WHERE follower_id = $1",
                "SELECT followee_id FROM follows WHERE follower_id = $1
                 ORDER BY created_at DESC, followee_id LIMIT $2 OFFSET $3",
            ),
        };
        let total: i64 = query_scalar(count).bind(user).fetch_one(&self.pool).await?;
        let users = query_scalar(select)
            .bind(user)
            .bind(i64::from(page.limit()))
            .bind(i64::try_from(page.offset()).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        let total = u64::try_from(total).unwrap_or_default();
        Ok(PagedResponse::new(users, total, page))
    }
}

/// Holds the user's row until the transaction ends, and tells when the user last followed or
/// unfollowed somebody; `None` where there is no such user, or no longer.
async fn lock(tx: &mut Tx, user: Uuid) -> Result<Option<DateTime<Utc>>, ServiceError> {
    let followed_at = query_scalar(
        "UPDATE user_profiles SET user_id = user_id
         WHERE user_id = $1 AND deleted_at IS NULL RETURNING followed_at",
    )
    .bind(user)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(followed_at)
}

async fn set_followed_at(
    tx: &mut Tx,
    user: Uuid,
    followed_at: DateTime<Utc>,
) -> Result<(), ServiceError> {
    query("UPDATE user_profiles SET followed_at = $1 WHERE user_id = $2")
        .bind(followed_at)
        .bind(user)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::*;
    use nova_errors::ErrorKind;
    use nova_events::identity::{UserCreated, UserDeleted};
    use nova_kit::Database;
    use tempfile::TempDir;

    pub(super) const ALICE: Uuid = Uuid::from_u128(1);
    pub(super) const BOB: Uuid = Uuid::from_u128(2);

    pub(super) struct World {
        pub(super) follows: Follows,
        _folder: TempDir,
    }

    impl World {
        /// Nobody listens at the auth service's address: who isn't known here can't be asked for.
        pub(super) async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::file(folder.path().join("user.db"));
            let pool = database.open(crate::MIGRATIONS).await.unwrap();
            let outbox = Outbox::builder(crate::NAME).build().unwrap();
            let auth = AuthClient::connect("http://127.0.0.1:1").await.unwrap();
            let profiles = Profiles::new(pool.clone());
            let follows = Follows::new(pool, outbox, profiles, auth);
            let world = Self {
                follows,
                _folder: folder,
            };
            world.register(ALICE).await;
            world.register(BOB).await;
            world
        }

        pub(super) async fn register(&self, user_id: Uuid) {
            let event = UserCreated {
                user_id,
                username: format!("user_{user_id}"),
                email: "user@example.com".to_owned(),
                created_at: now(),
            };
            self.follows.profiles.created(&event).await.unwrap();
        }

        pub(super) async fn delete(&self, user_id: Uuid) {
            let event = UserDeleted {
                user_id,
                deleted_at: now(),
                soft_delete: false,
            };
            self.follows.user_deleted(&event).await.unwrap();
        }

        pub(super) async fn events(&self) -> Vec<String> {
            query_scalar("SELECT event_type FROM outbox_events ORDER BY seq")
                .fetch_all(&self.follows.pool)
                .await
                .unwrap()
        }

        pub(super) async fn followers(&self, user: Uuid) -> Vec<Uuid> {
            let page = PageRequest::default();
            let page = self.follows.list(user, Side::Followers, page).await;
            page.unwrap().items
        }

        async fn last_event<T: serde::de::DeserializeOwned>(&self) -> T {
            let payload: Vec<u8> =
                query_scalar("SELECT payload FROM outbox_events ORDER BY seq DESC LIMIT 1")
                    .fetch_one(&self.follows.pool)
                    .await
                    .unwrap();
            serde_json::from_slice(&payload).unwrap()
        }
    }

    #[tokio::test]
    async fn following_twice_makes_one_event() {
        let world = World::new().await;
        world.follows.follow(ALICE, BOB).await.unwrap();
        world.follows.follow(ALICE, BOB).await.unwrap();
        assert_eq!(world.followers(BOB).await, [ALICE]);
        assert_eq!(world.events().await, ["social.follow.created"]);
    }

    #[tokio::test]
    async fn unfollowing_ends_it_and_unfollowing_again_tells_nobody() {
        let world = World::new().await;
        world.follows.unfollow(ALICE, BOB).await.unwrap();
        world.follows.follow(ALICE, BOB).await.unwrap();
        world.follows.unfollow(ALICE, BOB).await.unwrap();
        world.follows.unfollow(ALICE, BOB).await.unwrap();
        assert!(world.followers(BOB).await.is_empty());
        assert_eq!(
            world.events().await,
            ["social.follow.created", "social.follow.deleted"]
        );
    }

    #[tokio::test]
    async fn nobody_follows_himself() {
        let world = World::new().await;
        let error = world.follows.follow(ALICE, ALICE).await.unwrap_err();
        assert_eq!(error.violations()[0].field, "id");
    }

    #[tokio::test]
    async fn a_deleted_user_neither_follows_nor_is_followed() {
        let world = World::new().await;
        world.delete(BOB).await;
        for (follower, followee) in [(ALICE, BOB), (BOB, ALICE)] {
            let error = world.follows.follow(follower, followee).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        assert!(world.events().await.is_empty());
    }

    #[tokio::test]
    async fn who_is_not_known_here_is_asked_for_at_the_owner() {
        let world = World::new().await;
        let stranger = Uuid::from_u128(9);
        let error = world.follows.follow(ALICE, stranger).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    }

    #[tokio::test]
    async fn a_change_is_later_than_the_last_one_whatever_the_clock_says() {
        let world = World::new().await;
        // Written by a machine whose clock is ahead.
        let ahead = now() + chrono::TimeDelta::hours(1);
        query("UPDATE user_profiles SET followed_at = $1 WHERE user_id = $2")
            .bind(ahead)
            .bind(ALICE)
            .execute(&world.follows.pool)
            .await
            .unwrap();
        let mut last = ahead;
        for _ in 0..2 {
            world.follows.follow(ALICE, BOB).await.unwrap();
            let created: FollowCreated = world.last_event().await;
            assert!(created.created_at > last);
            world.follows.unfollow(ALICE, BOB).await.unwrap();
            let deleted: FollowDeleted = world.last_event().await;
            assert!(deleted.deleted_at > created.created_at);
            last = deleted.deleted_at;
        }
    }
}
