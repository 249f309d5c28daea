use async_trait::async_trait;
use nova_errors::ServiceError;
use tokio::sync::OnceCell;

use super::{KafkaPublisher, KafkaPublisherBuilder};
use crate::{DeliveryFuture, EventPublisher, EventRecord};

/// A publisher that is made at its first record: most consumers never write a dead letter.
#[derive(Debug)]
pub(super) struct LazyPublisher {
    settings: KafkaPublisherBuilder,
    publisher: OnceCell<KafkaPublisher>,
}

impl LazyPublisher {
    pub(super) fn new(settings: KafkaPublisherBuilder) -> Self {
        Self {
            settings,
            publisher: OnceCell::new(),
        }
    }
}

#[async_trait]
impl EventPublisher for LazyPublisher {
    async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError> {
        let make = || std::future::ready(self.settings.build());
        let publisher = self.publisher.get_or_try_init(make).await?;
        publisher.publish(record).await
    }
}
