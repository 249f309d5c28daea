use nova_errors::ServiceError;
use nova_events::content::{PostCreated, PostDeleted, PostStatusUpdated, PostUpdated};
use nova_events::identity::UserDeleted;
use nova_events::social::{FollowCreated, FollowDeleted};
use nova_events::{Event, EventConsumer};
use nova_kit::Kafka;

use crate::feeds::Feeds;

/// Keeps the feeds in step with posts, follows and users.
pub(crate) fn consumer(kafka: &Kafka, feeds: &Feeds) -> Result<EventConsumer, ServiceError> {
    let consumer = kafka.consumer("feed-service-group", &["content", "identity", "social"])?;
    macro_rules! on {
        ($consumer:expr, $event:ty, $method:ident) => {{
            let feeds = feeds.clone();
            $consumer.on(move |event: Event<$event>| {
                let feeds = feeds.clone();
                async move { feeds.$method(&event).await }
            })
        }};
    }
    let consumer = on!(consumer, PostCreated, post_created);
    let consumer = on!(consumer, PostUpdated, post_updated);
    let consumer = on!(consumer, PostStatusUpdated, status_updated);
    let consumer = on!(consumer, PostDeleted, post_deleted);
    let consumer = on!(consumer, FollowCreated, followed);
    let consumer = on!(consumer, FollowDeleted, unfollowed);
    let consumer = on!(consumer, UserDeleted, user_deleted);
    consumer.build()
}
