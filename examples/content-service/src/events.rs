use nova_errors::ServiceError;
use nova_events::identity::UserDeleted;
use nova_events::{Event, EventConsumer};
use nova_kit::Kafka;

use crate::store::Posts;

/// Takes away the posts of users who are gone.
pub(crate) fn consumer(kafka: &Kafka, posts: Posts) -> Result<EventConsumer, ServiceError> {
    kafka
        .consumer("content-service-group", &["identity"])?
        .on(move |event: Event<UserDeleted>| {
            let posts = posts.clone();
            async move { posts.author_deleted(&event).await }
        })
        .build()
}
