use super::EventCatalogue;
use crate::analytics::AnalyticsEventRecorded;
use crate::content;
use crate::content::{
    CommentCreated, LikeCreated, LikeDeleted, PostCreated, PostDeleted, PostStatusUpdated,
    PostUpdated,
};
use crate::identity::{
    PasswordChanged, TwoFaEnabled, UserCreated, UserDeleted, UserProfileUpdated,
};
use crate::media::UploadCompleted;
use crate::message::{MessageDeleted, MessagePersisted};
use crate::notification::NotificationCreated;
use crate::social::{FollowCreated, FollowDeleted};
use crate::streaming::{CommentPosted, StreamEnded, StreamStarted, ViewerJoined, ViewerLeft};

const GATEWAY: &str = "api-gateway";
const ANALYTICS: &str = "analytics-service";
const AUTH: &str = "auth-service";
const CONTENT: &str = "content-service";
const FEED: &str = "feed-service";
const MEDIA: &str = "media-service";
const MESSAGING: &str = "messaging-service";
const NOTIFICATION: &str = "notification-service";
const SEARCH: &str = "search-service";
const STREAMING: &str = "streaming-service";
const THUMBNAILS: &str = "thumbnail-worker";
const USER: &str = "user-service";

impl EventCatalogue {
    /// The events of the platform, from whom and for whom they are.
    pub fn platform() -> Self {
        Self::new("Nova events", env!("CARGO_PKG_VERSION"))
            .partitions(content::AGGREGATE_TYPE, 6)
            .event::<PostCreated>(CONTENT, &[FEED, SEARCH, ANALYTICS])
            .event::<PostUpdated>(CONTENT, &[FEED, SEARCH])
            .event::<PostStatusUpdated>(CONTENT, &[FEED, SEARCH])
            .event::<PostDeleted>(CONTENT, &[FEED, SEARCH, ANALYTICS])
            .event::<CommentCreated>(CONTENT, &[NOTIFICATION, ANALYTICS])
            .event::<LikeCreated>(CONTENT, &[NOTIFICATION, ANALYTICS])
            .event::<LikeDeleted>(CONTENT, &[NOTIFICATION, ANALYTICS])
            .event::<UploadCompleted>(MEDIA, &[CONTENT, ANALYTICS, THUMBNAILS])
            .event::<UserCreated>(AUTH, &[USER, SEARCH, MESSAGING, ANALYTICS, FEED])
            .event::<UserProfileUpdated>(USER, &[FEED, SEARCH])
            .event::<UserDeleted>(AUTH, &[USER, CONTENT, SEARCH, MESSAGING, ANALYTICS, FEED])
            .event::<PasswordChanged>(AUTH, &[NOTIFICATION])
            .event::<TwoFaEnabled>(AUTH, &[NOTIFICATION])
            .event::<FollowCreated>(USER, &[FEED, NOTIFICATION])
            .event::<FollowDeleted>(USER, &[FEED, NOTIFICATION])
            .event::<MessagePersisted>(MESSAGING, &[SEARCH, NOTIFICATION])
            .event::<MessageDeleted>(MESSAGING, &[SEARCH])
            .event::<StreamStarted>(STREAMING, &[NOTIFICATION, SEARCH, ANALYTICS])
            .event::<StreamEnded>(STREAMING, &[NOTIFICATION, SEARCH, ANALYTICS])
            .event::<ViewerJoined>(STREAMING, &[ANALYTICS])
            .event::<ViewerLeft>(STREAMING, &[ANALYTICS])
            .event::<CommentPosted>(STREAMING, &[ANALYTICS])
            .event::<NotificationCreated>(NOTIFICATION, &[ANALYTICS, GATEWAY])
            .event::<AnalyticsEventRecorded>(ANALYTICS, &[ANALYTICS])
    }
}
