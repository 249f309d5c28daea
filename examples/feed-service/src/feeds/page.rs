use nova_errors::ServiceError;
use nova_models::PagedResponse;
use sqlx::{query_as, query_scalar};
use uuid::Uuid;

use super::Feeds;
use crate::FeedEntry;
use crate::cursor::Cursor;

/// How far the posts of a feed are counted: each page counts again, and nobody reads so far.
const MAX_TOTAL: i64 = 1_000;

impl Feeds {
    /// A page of `user`'s feed after `cursor`, newest first. Its total counts no further than
    /// [`MAX_TOTAL`].
    pub(crate) async fn page(
        &self,
        user: Uuid,
        cursor: Cursor,
        limit: u32,
    ) -> Result<PagedResponse<FeedEntry>, ServiceError> {
        let total: i64 = query_scalar(
            "SELECT COUNT(*) FROM
                 (SELECT 1 FROM feed_entries e JOIN feed_posts p ON p.post_id = e.post_id
                  WHERE e.user_id = $1 AND p.status = 'published' LIMIT $2) AS counted",
        )
        .bind(user)
        .bind(MAX_TOTAL)
        .fetch_one(&self.pool)
        .await?;
        // One more than asked for tells whether there is a further page.
        let mut items: Vec<FeedEntry> = query_as(
            "SELECT p.post_id, p.user_id, p.caption, p.media_type, p.created_at
             FROM feed_entries e JOIN feed_posts p ON p.post_id = e.post_id
             WHERE e.user_id = $1 AND p.status = 'published'
               AND (e.created_at < $2 OR (e.created_at = $2 AND e.post_id < $3))
             ORDER BY e.created_at DESC, e.post_id DESC LIMIT $4",
        )
        .bind(user)
        .bind(cursor.created_at)
        .bind(cursor.post_id)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        let has_more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next_cursor = items
            .last()
            .filter(|_| has_more)
            .map(|last| Cursor::from(last).to_string());
        Ok(PagedResponse {
            items,
            total: u64::try_from(total).unwrap_or_default(),
            page: 1,
            limit,
            has_more,
            next_cursor,
        })
    }
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::super::world::World;
    use super::*;
    use sqlx::query;

    #[tokio::test]
    async fn pages_join_without_a_gap_or_a_double() {
        let world = World::new().await;
        world.follow(0).await;
        for id in 10..15 {
            // All at the same moment: the id decides.
            world.post(id, 1).await;
        }
        let mut seen = Vec::new();
        let mut cursor = Cursor::START;
        loop {
            let page = world.feeds.page(world.reader, cursor, 2).await.unwrap();
            assert_eq!(page.total, 5);
            assert_eq!(page.has_more, page.next_cursor.is_some());
            seen.extend(page.items.iter().map(|post| post.post_id.as_u128()));
            match page.next_cursor {
                Some(next) => cursor = next.parse().unwrap(),
                None => break,
            }
        }
        assert_eq!(seen, [14, 13, 12, 11, 10]);
    }

    #[tokio::test]
    async fn a_long_feed_is_counted_up_to_the_limit() {
        let world = World::new().await;
        let mut tx = world.feeds.pool.begin().await.unwrap();
        for id in 0..=u128::try_from(MAX_TOTAL).unwrap() {
            query("INSERT INTO feed_posts (post_id, user_id, status) VALUES ($1, $2, 'published')")
                .bind(Uuid::from_u128(id))
                .bind(world.author)
                .execute(&mut *tx)
                .await
                .unwrap();
            query("INSERT INTO feed_entries (user_id, post_id, created_at) VALUES ($1, $2, $3)")
                .bind(world.reader)
                .bind(Uuid::from_u128(id))
                .bind(world.at(0))
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        // Past the last one, so that only the count reads.
        let end = Cursor {
            created_at: world.at(-1),
            post_id: Uuid::nil(),
        };
        let page = world.feeds.page(world.reader, end, 1).await.unwrap();
        assert_eq!(page.total, 1_000);
    }
}
