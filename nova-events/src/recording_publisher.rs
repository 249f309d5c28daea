use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nova_errors::ServiceError;

use crate::{Delivery, DeliveryFuture, EventPublisher, EventRecord};

/// A publisher that keeps what it is given, in order, for tests to look at.
///
/// ```
/// use nova_events::{EventPublisher, EventRecord, RecordingPublisher};
/// use nova_errors::ServiceError;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let publisher = RecordingPublisher::new();
/// publisher.fail_next(ServiceError::ServiceUnavailable("broker".into()));
///
/// let record = EventRecord::new("orders".parse()?, None, None);
/// assert!(publisher.publish(record.clone()).await?.await.is_err());
/// assert_eq!(publisher.publish(record).await?.await?.offset, 0);
/// assert_eq!(publisher.records().len(), 1);
/// # Ok::<(), ServiceError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct RecordingPublisher(Arc<Mutex<Recording>>);

#[derive(Debug, Default)]
struct Recording {
    records: Vec<EventRecord>,
    /// What is to become of the next ones.
    script: VecDeque<Option<ServiceError>>,
}

impl RecordingPublisher {
    /// A publisher that was given nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the delivery of the next record fail, or of the one after those that something is said of already.
    pub fn fail_next(&self, error: ServiceError) {
        self.lock().script.push_back(Some(error));
    }

    /// Lets the next record pass, or the one after those that something is said of already, so that a later one can fail.
    pub fn pass_next(&self) {
        self.lock().script.push_back(None);
    }

    /// What was delivered, in order.
    #[must_use]
    pub fn records(&self) -> Vec<EventRecord> {
        self.lock().records.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventPublisher for RecordingPublisher {
    async fn publish(&self, record: EventRecord) -> Result<DeliveryFuture, ServiceError> {
        let mut recording = self.lock();
        let delivery = match recording.script.pop_front().flatten() {
            Some(error) => Err(error),
            None => {
                let offset = recording.records.len();
                recording.records.push(record);
                Ok(Delivery::new(0, i64::try_from(offset).unwrap_or(i64::MAX)))
            }
        };
        Ok(DeliveryFuture::new(std::future::ready(delivery)))
    }
}
