mod authors;

use nova_errors::ServiceError;
use nova_events::content::{PostCreated, PostStatus, PostStatusUpdated, PostUpdated};
use nova_kit::{Db, Pool, Tx, now, now_after};
use nova_outbox::Outbox;
use sqlx::{QueryBuilder, query, query_as};
use uuid::Uuid;

use self::authors::{deletion, lock_author};
use crate::post::{NewPost, Post, PostChange};

/// The posts and the events that tell of them.
///
/// Each change locks the post's row first, then takes its time, and enqueues last: the order of a
/// post's events is that of its changes, and so is the order of the times in them.
#[derive(Debug, Clone)]
pub(crate) struct Posts {
    pool: Pool,
    outbox: Outbox<Db>,
}

impl Posts {
    pub(crate) fn new(pool: Pool, outbox: Outbox<Db>) -> Self {
        Self { pool, outbox }
    }

    pub(crate) async fn create(&self, author: Uuid, new: NewPost) -> Result<Post, ServiceError> {
        new.validate()?;
        let created_at = now();
        let post = Post {
            post_id: Uuid::now_v7(),
            user_id: author,
            caption: new.caption,
            media_type: new.media_type,
            status: PostStatus::Published,
            created_at,
            updated_at: created_at,
        };
        let mut tx = self.pool.begin().await?;
        lock_author(&mut tx, author).await?;
        query(
            "INSERT INTO posts (id, user_id, caption, media_type, status, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(post.post_id)
        .bind(post.user_id)
        .bind(&post.caption)
        .bind(post.media_type.as_str())
        .bind(post.status.as_str())
        .bind(post.created_at)
        .bind(post.updated_at)
        .execute(&mut *tx)
        .await?;
        self.outbox
            .enqueue(&mut tx, &PostCreated::from(&post))
            .await?;
        self.outbox.commit(tx).await?;
        Ok(post)
    }

    /// The post, if `reader` may see it: what is archived is its author's alone.
    pub(crate) async fn get(&self, id: Uuid, reader: Uuid) -> Result<Post, ServiceError> {
        let post: Option<Post> = query_as("SELECT * FROM posts WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        post.filter(|post| post.user_id == reader || post.status == PostStatus::Published)
            .ok_or_else(|| not_found(id))
    }

    /// Those of the posts that everybody may see, in one query.
    pub(crate) async fn published(&self, ids: &[Uuid]) -> Result<Vec<Post>, ServiceError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut select =
            QueryBuilder::<Db>::new("SELECT * FROM posts WHERE status = 'published' AND id IN (");
        let mut list = select.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        select.push(")");
        Ok(select.build_query_as().fetch_all(&self.pool).await?)
    }

    pub(crate) async fn change(
        &self,
        id: Uuid,
        author: Uuid,
        change: PostChange,
    ) -> Result<Post, ServiceError> {
        change.validate()?;
        let mut tx = self.pool.begin().await?;
        let old = lock(&mut tx, id, author).await?;
        let post: Post = query_as(
            "UPDATE posts SET caption = COALESCE($1, caption), status = COALESCE($2, status),
                    updated_at = $3
             WHERE id = $4 RETURNING *",
        )
        .bind(&change.caption)
        .bind(change.status.as_ref().map(PostStatus::as_str))
        .bind(now_after(old.updated_at))
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
        if change.caption.is_some() {
            self.outbox
                .enqueue(&mut tx, &PostUpdated::from(&post))
                .await?;
        }
        if change.status.is_some() {
            self.outbox
                .enqueue(&mut tx, &PostStatusUpdated::from(&post))
                .await?;
        }
        self.outbox.commit(tx).await?;
        Ok(post)
    }

    pub(crate) async fn delete(&self, id: Uuid, author: Uuid) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin().await?;
        let post = lock(&mut tx, id, author).await?;
        query("DELETE FROM posts WHERE id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        self.outbox.enqueue(&mut tx, &deletion(&post)).await?;
        self.outbox.commit(tx).await
    }
}

/// The author's post, whose row is held until the transaction ends.
async fn lock(tx: &mut Tx, id: Uuid, author: Uuid) -> Result<Post, ServiceError> {
    query_as("UPDATE posts SET id = id WHERE id = $1 AND user_id = $2 RETURNING *")
        .bind(id)
        .bind(author)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| not_found(id))
}

fn not_found(id: Uuid) -> ServiceError {
    ServiceError::NotFound(format!("post {id}").into())
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::*;
    use nova_errors::ErrorKind;
    use nova_events::content::{MediaType, PostDeleted};
    use nova_kit::Database;
    use sqlx::query_scalar;
    use tempfile::TempDir;

    pub(super) const AUTHOR: Uuid = Uuid::from_u128(1);
    pub(super) const OTHER: Uuid = Uuid::from_u128(2);

    pub(super) async fn posts() -> (Posts, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::file(folder.path().join("content.db"));
        let pool = database.open(crate::MIGRATIONS).await.unwrap();
        let outbox = Outbox::builder(crate::NAME).build().unwrap();
        (Posts::new(pool, outbox), folder)
    }

    pub(super) async fn events(posts: &Posts) -> Vec<String> {
        query_scalar("SELECT event_type FROM outbox_events ORDER BY seq")
            .fetch_all(&posts.pool)
            .await
            .unwrap()
    }

    pub(super) fn new_post() -> NewPost {
        NewPost {
            caption: "hello".to_owned(),
            media_type: MediaType::None,
        }
    }

    fn archive() -> PostChange {
        PostChange {
            caption: None,
            status: Some(PostStatus::Archived),
        }
    }

    #[tokio::test]
    async fn each_change_leaves_its_event_in_order() {
        let (posts, _folder) = posts().await;
        let post = posts.create(AUTHOR, new_post()).await.unwrap();
        posts.change(post.post_id, AUTHOR, archive()).await.unwrap();
        posts.delete(post.post_id, AUTHOR).await.unwrap();
        assert_eq!(
            events(&posts).await,
            [
                "content.post.created",
                "content.post.status_updated",
                "content.post.deleted"
            ]
        );
    }

    #[tokio::test]
    async fn nobody_changes_the_post_of_another() {
        let (posts, _folder) = posts().await;
        let post = posts.create(AUTHOR, new_post()).await.unwrap();
        let error = posts.change(post.post_id, OTHER, archive()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        let error = posts.delete(post.post_id, OTHER).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(events(&posts).await, ["content.post.created"]);
    }

    #[tokio::test]
    async fn an_archived_post_is_its_authors_alone() {
        let (posts, _folder) = posts().await;
        let post = posts.create(AUTHOR, new_post()).await.unwrap();
        assert!(posts.get(post.post_id, OTHER).await.is_ok());
        posts.change(post.post_id, AUTHOR, archive()).await.unwrap();
        assert!(posts.get(post.post_id, OTHER).await.is_err());
        assert!(posts.get(post.post_id, AUTHOR).await.is_ok());
    }

    #[tokio::test]
    async fn a_change_is_later_than_the_last_one_whatever_the_clock_says() {
        let (posts, _folder) = posts().await;
        let post = posts.create(AUTHOR, new_post()).await.unwrap();
        // Written by a machine whose clock is ahead.
        let ahead = now() + chrono::TimeDelta::hours(1);
        query("UPDATE posts SET updated_at = $1")
            .bind(ahead)
            .execute(&posts.pool)
            .await
            .unwrap();

        let changed = posts.change(post.post_id, AUTHOR, archive()).await.unwrap();
        assert_eq!(
            changed.updated_at,
            ahead + chrono::TimeDelta::microseconds(1)
        );

        posts.delete(post.post_id, AUTHOR).await.unwrap();
        let payload: Vec<u8> =
            query_scalar("SELECT payload FROM outbox_events ORDER BY seq DESC LIMIT 1")
                .fetch_one(&posts.pool)
                .await
                .unwrap();
        let event: PostDeleted = serde_json::from_slice(&payload).unwrap();
        assert_eq!(event.deleted_at, ahead + chrono::TimeDelta::microseconds(2));
    }
}
