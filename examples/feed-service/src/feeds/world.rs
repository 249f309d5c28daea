use chrono::{DateTime, Duration, Utc};
use nova_events::content::{MediaType, PostCreated, PostStatus, PostStatusUpdated, PostUpdated};
use nova_events::identity::UserDeleted;
use nova_events::social::{FollowCreated, FollowDeleted};
use nova_kit::{Database, now};
use tempfile::TempDir;
use uuid::Uuid;

use super::Feeds;
use crate::FeedEntry;
use crate::cursor::Cursor;

/// A reader and an author, with the events of their lives, for tests. Times are in seconds.
pub(super) struct World {
    pub(super) feeds: Feeds,
    pub(super) reader: Uuid,
    pub(super) author: Uuid,
    start: DateTime<Utc>,
    _folder: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::file(folder.path().join("feed.db"));
        let pool = database.open(crate::MIGRATIONS).await.unwrap();
        Self {
            feeds: Feeds::new(pool),
            reader: Uuid::from_u128(1),
            author: Uuid::from_u128(2),
            start: now(),
            _folder: folder,
        }
    }

    pub(super) fn at(&self, second: i64) -> DateTime<Utc> {
        self.start + Duration::seconds(second)
    }

    pub(super) async fn post(&self, id: u128, second: i64) -> PostCreated {
        let event = PostCreated {
            post_id: Uuid::from_u128(id),
            user_id: self.author,
            caption: format!("post {id}"),
            media_type: MediaType::None,
            status: PostStatus::Published,
            created_at: self.at(second),
        };
        self.feeds.post_created(&event).await.unwrap();
        event
    }

    pub(super) async fn set_caption(&self, id: u128, caption: &str, second: i64) {
        let event = PostUpdated {
            post_id: Uuid::from_u128(id),
            user_id: self.author,
            caption: caption.to_owned(),
            updated_at: self.at(second),
        };
        self.feeds.post_updated(&event).await.unwrap();
    }

    pub(super) async fn set_status(&self, id: u128, status: PostStatus, second: i64) {
        let event = PostStatusUpdated {
            post_id: Uuid::from_u128(id),
            user_id: self.author,
            new_status: status,
            updated_at: self.at(second),
        };
        self.feeds.status_updated(&event).await.unwrap();
    }

    pub(super) async fn follow(&self, second: i64) {
        let event = FollowCreated {
            follower_id: self.reader,
            followee_id: self.author,
            created_at: self.at(second),
        };
        self.feeds.followed(&event).await.unwrap();
    }

    pub(super) async fn unfollow(&self, second: i64) {
        let event = FollowDeleted {
            follower_id: self.reader,
            followee_id: self.author,
            deleted_at: self.at(second),
        };
        self.feeds.unfollowed(&event).await.unwrap();
    }

    pub(super) async fn delete(&self, user_id: Uuid, second: i64) {
        let event = UserDeleted {
            user_id,
            deleted_at: self.at(second),
            soft_delete: false,
        };
        self.feeds.user_deleted(&event).await.unwrap();
    }

    async fn entries(&self) -> Vec<FeedEntry> {
        let page = self.feeds.page(self.reader, Cursor::START, 100).await;
        page.unwrap().items
    }

    pub(super) async fn feed(&self) -> Vec<u128> {
        let entries = self.entries().await;
        entries.iter().map(|post| post.post_id.as_u128()).collect()
    }

    pub(super) async fn captions(&self) -> Vec<String> {
        let entries = self.entries().await;
        entries.into_iter().map(|post| post.caption).collect()
    }
}
