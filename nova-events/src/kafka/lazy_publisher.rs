use async_trait::async_trait;
use nova_errors::ServiceError;
use tokio::sync::Mutex;

use super::{KafkaPublisher, KafkaPublisherBuilder};
use crate::{DeliveryFuture, EventPublisher, EventRecord};

/// A publisher that is made at its first record, as most consumers never write a dead letter, and made anew
/// where it failed for good.
#[derive(Debug)]
pub(super) struct LazyPublisher {
    settings: KafkaPublisherBuilder,
    publisher: Mutex<Option<KafkaPublisher>>,
}

impl LazyPublisher {
    pub(super) fn new(settings: KafkaPublisherBuilder) -> Self {
        Self {
            settings,
            publisher: Mutex::default(),
        }
    }

    async fn publisher(&self) -> Result<KafkaPublisher, ServiceError> {
        let mut current = self.publisher.lock().await;
        if let Some(dead) = current.take_if(|publisher| publisher.is_dead()) {
            tracing::warn!("the dead letters' producer failed for good; a new one is made");
            // Its drop waits for the client's thread.
            tokio::task::spawn_blocking(move || drop(dead));
        }
        let publisher = match current.take() {
            Some(publisher) => publisher,
            None => self.settings.build()?,
        };
        Ok(current.insert(publisher).clone())
    }
}

#[async_trait]
impl EventPublisher for LazyPublisher {
    async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError> {
        self.publisher().await?.publish(record).await
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    #[tokio::test]
    async fn a_producer_that_failed_for_good_is_replaced() {
        let cluster = MockCluster::new(1).unwrap();
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::InitProducerId, &[refusal]);
        let brokers = cluster.bootstrap_servers();
        let publisher = LazyPublisher::new(KafkaPublisher::builder().brokers(brokers));
        let record = EventRecord::new("orders.dlq".parse().unwrap(), None, None);
        let send = async || publisher.publish(record.clone()).await?.await;

        send().await.unwrap_err();
        assert!(publisher.publisher.lock().await.as_ref().unwrap().is_dead());
        send().await.unwrap();
    }
}
