use nova_errors::ServiceError;
use nova_events::identity::{UserCreated, UserDeleted};
use nova_events::{Event, EventConsumer};
use nova_kit::Kafka;

use crate::follows::Follows;
use crate::profiles::Profiles;

/// Keeps profiles and follows in step with the identity events.
pub(crate) fn consumer(
    kafka: &Kafka,
    profiles: Profiles,
    follows: Follows,
) -> Result<EventConsumer, ServiceError> {
    kafka
        .consumer("user-service-group", &["identity"])?
        .on(move |event: Event<UserCreated>| {
            let profiles = profiles.clone();
            async move { profiles.created(&event).await }
        })
        .on(move |event: Event<UserDeleted>| {
            let follows = follows.clone();
            async move { follows.user_deleted(&event).await }
        })
        .build()
}
